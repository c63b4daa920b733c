//! URLs against the grant of a server. Input: base URL, scheme, authority and path, each on a line of its own.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::uri::PathAndQuery;
use provender::servers::address::AddressClass;
use provender::servers::base_url::BaseUrl;
use url::{Host, Url};

/// A base URL is normal and covers itself; whatever it covers is of its origin and below its path for the crate `url`
/// too, however often the path is decoded; an address has one class in all its spellings.
pub fn check(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut lines = text.splitn(4, '\n');
    let mut line = || lines.next().unwrap_or_default();
    let (base, scheme, authority, path) = (line(), line(), line(), line());
    check_spelling(authority);
    let Ok(base) = base.parse::<BaseUrl>() else { return };
    check_base(&base);
    if base.covers(scheme, authority, path).is_ok() {
        check_covered(&base, scheme, authority, path);
    }
    if base.covers_path(path).is_ok() {
        check_below(base.path(), path);
    }
}

fn check_base(base: &BaseUrl) {
    let normal = base.to_string();
    let again: BaseUrl = normal.parse().expect("the normal form of a base URL");
    assert_eq!(again.to_string(), normal);
    let url = Url::parse(&normal).expect("a URL");
    let authority = url.authority();
    for path in [format!("{}/x", base.path()), format!("{}/x?y=/../", base.path())] {
        assert_eq!(base.covers(url.scheme(), authority, &path), Ok(()), "{base} and itself");
    }
    let default_port = url.port_or_known_default().expect("a port");
    match url.host() {
        Some(Host::Ipv4(address)) => {
            for spelling in spellings(address) {
                let authority = format!("{spelling}:{default_port}");
                assert_eq!(base.covers(url.scheme(), &authority, &format!("{}/", base.path())), Ok(()));
            }
            check_class(address.into());
        }
        Some(Host::Ipv6(address)) => check_class(address.into()),
        _ => {}
    }
}

fn check_covered(base: &BaseUrl, scheme: &str, authority: &str, path: &str) {
    let base_url = Url::parse(&base.to_string()).expect("a URL");
    let url = Url::parse(&format!("{scheme}://{authority}{path}")).expect("what is covered is a URL");
    assert_eq!(url.scheme(), base_url.scheme());
    assert_eq!(url.host(), base_url.host());
    assert_eq!(url.port_or_known_default(), base_url.port_or_known_default());
    assert!(url.username().is_empty() && url.password().is_none(), "{url} has user-info");
    let asked = path.split(['?', '#']).next().unwrap_or_default();
    // What must be encoded may become so, and nothing else may change.
    assert_eq!(decode(url.path().as_bytes()), decode(asked.as_bytes()), "{url} is normalised on its way");
    check_below(base.path(), url.path());
    if let Ok(path_and_query) = path.parse::<PathAndQuery>() {
        let sent = base.uri(path_and_query).expect("a URI").to_string();
        let sent = Url::parse(&sent).expect("what is sent is a URL");
        assert_eq!(sent.origin(), base_url.origin());
        check_below(base.path(), sent.path());
    }
}

/// Resolves the path as programs do that decode first, and again, and take a backslash for a slash.
fn check_below(base: &str, path: &str) {
    let path = path.split('?').next().unwrap_or_default();
    let below = path.strip_prefix(base).expect("below the base");
    assert!(below.is_empty() || below.starts_with('/'), "{path} is beside {base}");
    let mut decoded = below.as_bytes().to_vec();
    for _ in 0..8 {
        let mut depth = 0_i64;
        for segment in decoded.split(|byte| matches!(byte, b'/' | b'\\')) {
            let name = segment.split(|byte| *byte == b';').next().unwrap_or_default();
            match name.trim_ascii() {
                b"" | b"." => {}
                b".." => depth -= 1,
                _ => depth += 1,
            }
            assert!(depth >= 0, "{path} leads out of {base}");
        }
        decoded = decode(&decoded);
    }
}

fn decode(bytes: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).and_then(|hex| std::str::from_utf8(hex).ok());
        let byte = hex.filter(|hex| bytes[at] == b'%' && !hex.starts_with('+'));
        match byte.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                decoded.push(byte);
                at += 3;
            }
            None => {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
    }
    decoded
}

/// How else programs write an IPv4 address.
fn spellings(address: Ipv4Addr) -> [String; 5] {
    let [a, b, c, d] = address.octets();
    let number = u32::from(address);
    [
        number.to_string(),
        format!("{number:#x}"),
        format!("{a:#x}.{b:#x}.{c:#x}.{d:#x}"),
        format!("0{a:o}.0{b:o}.0{c:o}.0{d:o}"),
        format!("{a}.{}", number & 0xff_ffff),
    ]
}

/// What the standard library reads as an address, `url` reads as the same one.
fn check_spelling(authority: &str) {
    let Ok(url) = Url::parse(&format!("http://{authority}/")) else { return };
    let literal = authority.trim_start_matches('[').trim_end_matches(']');
    let read = match url.host() {
        Some(Host::Ipv4(address)) => IpAddr::V4(address),
        Some(Host::Ipv6(address)) => IpAddr::V6(address),
        _ => return,
    };
    check_class(read);
    if let Ok(address) = literal.parse::<IpAddr>() {
        assert_eq!(address, read, "{authority}");
    }
}

/// What the standard library knows to be special is not public, and an address inside another is not told apart.
fn check_class(address: IpAddr) {
    let class = AddressClass::of(address);
    assert!(class.permitted(true) || !class.permitted(false), "{address}");
    let special = match address {
        IpAddr::V4(v4) => {
            v4.is_loopback()
                || v4.is_private()
                || v4.is_link_local()
                || v4.is_multicast()
                || v4.is_unspecified()
                || v4.is_broadcast()
                || v4.is_documentation()
        }
        IpAddr::V6(v6) => {
            v6.is_loopback()
                || v6.is_multicast()
                || v6.is_unspecified()
                || v6.is_unique_local()
                || v6.is_unicast_link_local()
        }
    };
    assert!(!(special && class.permitted(false)), "{address} is {class}");
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
            let carriers = [
                v4.to_ipv6_mapped(),
                Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
                Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
            ];
            for carrier in carriers {
                assert_eq!(AddressClass::of(carrier.into()), class, "{carrier}");
            }
        }
        IpAddr::V6(v6) => {
            if let Some(v4) = v6.to_ipv4_mapped() {
                assert_eq!(AddressClass::of(v4.into()), class, "{v6}");
            }
        }
    }
}
