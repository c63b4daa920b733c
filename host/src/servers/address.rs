//! What an IP address stands for, and whether a server may be reached there. Pure; nothing is resolved here.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What an IP address stands for, by the IANA special-purpose registries (RFC 6890) and the documentation of clouds.
///
/// An IPv6 address that carries an IPv4 address (mapped, compatible, translated, NAT64, 6to4, Teredo) stands for what
/// the carried one stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressClass {
    /// Reachable by everybody.
    Public,
    /// This machine.
    Loopback,
    /// RFC 1918, unique local (RFC 4193) and the former site-local addresses.
    Private,
    /// Carrier-grade NAT (RFC 6598).
    Shared,
    /// Benchmarks of networks (RFC 2544, RFC 5180).
    Benchmarking,
    /// Examples in documentation (RFC 5737, RFC 3849, RFC 9637).
    Documentation,
    /// Reserved for special or later use.
    Reserved,
    /// This link only.
    LinkLocal,
    /// The service of a cloud that hands credentials to its machines.
    Metadata,
    /// "This host" or "this network"; most systems connect to themselves there.
    Unspecified,
    /// A group of machines.
    Multicast,
    /// Everybody on the link.
    Broadcast,
    /// NAT64 by a prefix of the local network (RFC 8215): what is behind cannot be known.
    Translated,
}

impl AddressClass {
    /// Classifies an address.
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::of_v4(address),
            IpAddr::V6(address) => Self::of_v6(address),
        }
    }

    /// Whether a server may be reached at such an address.
    pub fn permitted(self, allow_private: bool) -> bool {
        match self {
            Self::Public => true,
            Self::Loopback
            | Self::Private
            | Self::Shared
            | Self::Benchmarking
            | Self::Documentation
            | Self::Reserved => allow_private,
            Self::LinkLocal
            | Self::Metadata
            | Self::Unspecified
            | Self::Multicast
            | Self::Broadcast
            | Self::Translated => false,
        }
    }

    fn stricter(self, other: Self) -> Self {
        let rank = |class: Self| (class.permitted(true), class.permitted(false));
        if rank(other) < rank(self) { other } else { self }
    }

    fn of_v4(address: Ipv4Addr) -> Self {
        match address.octets() {
            // Azure's host service, Alibaba's and Oracle's metadata do not live on the link.
            [169, 254, 169, 254] | [168, 63, 129, 16] | [100, 100, 100, 200] | [192, 0, 0, 192] => {
                Self::Metadata
            }
            [0, ..] => Self::Unspecified,
            [127, ..] => Self::Loopback,
            [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Self::Private,
            [100, 64..=127, ..] => Self::Shared,
            [169, 254, ..] => Self::LinkLocal,
            [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Self::Documentation,
            [198, 18..=19, ..] => Self::Benchmarking,
            // IETF protocol assignments and the former 6to4 relays.
            [192, 0, 0, _] | [192, 88, 99, _] => Self::Reserved,
            [224..=239, ..] => Self::Multicast,
            [255, 255, 255, 255] => Self::Broadcast,
            [240..=255, ..] => Self::Reserved,
            _ => Self::Public,
        }
    }

    fn of_v6(address: Ipv6Addr) -> Self {
        match address.segments() {
            [0, 0, 0, 0, 0, 0, 0, 1] => Self::Loopback,
            // Compatible (RFC 4291), mapped, translated (RFC 2765), NAT64 (RFC 6052).
            [0, 0, 0, 0, 0, 0, high, low]
            | [0, 0, 0, 0, 0, 0xffff, high, low]
            | [0, 0, 0, 0, 0xffff, 0, high, low]
            | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Self::of_v4(embedded(high, low)),
            [0x64, 0xff9b, 1, ..] => Self::Translated,
            // Amazon's metadata and credentials, Google's metadata.
            [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254 | 0x23] | [0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254] => {
                Self::Metadata
            }
            // 6to4 (RFC 3056).
            [0x2002, high, low, ..] => Self::of_v4(embedded(high, low)),
            // Teredo (RFC 4380): the server, and the client with its bits inverted.
            [0x2001, 0, server_high, server_low, _, _, high, low] => {
                let server = Self::of_v4(embedded(server_high, server_low));
                Self::of_v4(embedded(!high, !low)).stricter(server)
            }
            [0x2001, 2, 0, ..] => Self::Benchmarking,
            [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => Self::Documentation,
            // The rest of the IETF protocol assignments (2001::/23).
            [0x2001, 0..=0x1ff, ..] => Self::Reserved,
            [0xfc00..=0xfdff, ..] | [0xfec0..=0xfeff, ..] => Self::Private,
            [0xfe80..=0xfebf, ..] => Self::LinkLocal,
            [0xff00..=0xffff, ..] => Self::Multicast,
            [0x2000..=0x3fff, ..] => Self::Public,
            _ => Self::Reserved,
        }
    }
}

fn embedded(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low))
}

impl fmt::Display for AddressClass {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Public => "a public address",
            Self::Loopback => "a loopback address",
            Self::Private => "a private address",
            Self::Shared => "an address of carrier-grade NAT",
            Self::Benchmarking => "an address for benchmarks",
            Self::Documentation => "an address for documentation",
            Self::Reserved => "a reserved address",
            Self::LinkLocal => "a link-local address",
            Self::Metadata => "the address of a cloud's metadata service",
            Self::Unspecified => "an unspecified address",
            Self::Multicast => "a multicast address",
            Self::Broadcast => "a broadcast address",
            Self::Translated => "an address of local NAT64",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::AddressClass::{self, *};

    const TABLE: &[(AddressClass, &[&str])] = &[
        (
            Public,
            &[
                "1.1.1.1",
                "9.255.255.255",
                "11.0.0.0",
                "100.63.255.255",
                "100.128.0.0",
                "172.15.255.255",
                "172.32.0.0",
                "192.0.1.0",
                "192.167.255.255",
                "192.169.0.0",
                "198.17.255.255",
                "198.20.0.0",
                "223.255.255.255",
                "2001:200::1",
                "2606:4700::1111",
                "2a00::1",
                "::ffff:1.1.1.1",
                "64:ff9b::1.1.1.1",
                "2002:101:101::1",
                // Teredo of server 65.54.227.120 and client 192.0.1.45.
                "2001:0:4136:e378:8000:63bf:3fff:fed2",
                "3fff:1000::1",
            ],
        ),
        (
            Loopback,
            &[
                "127.0.0.1",
                "127.255.255.255",
                "::1",
                "::ffff:127.0.0.1",
                "::127.0.0.1",
                "::ffff:0:127.0.0.1",
                "64:ff9b::7f00:1",
                "2002:7f00:1::",
                "2001:0:4136:e378:8000:63bf:80ff:fffe",
                "2001:0:7f00:1:8000:63bf:3fff:fed2",
            ],
        ),
        (
            Private,
            &[
                "10.0.0.0",
                "10.255.255.255",
                "172.16.0.1",
                "172.31.255.255",
                "192.168.0.1",
                "fc00::1",
                "fd12:3456::1",
                "fec0::1",
                "::ffff:10.0.0.1",
                "64:ff9b::192.168.0.1",
                "2002:c0a8:1::1",
            ],
        ),
        (Shared, &["100.64.0.0", "100.127.255.255", "::ffff:100.64.0.1"]),
        (Benchmarking, &["198.18.0.0", "198.19.255.255", "2001:2::1"]),
        (
            Documentation,
            &["192.0.2.1", "198.51.100.1", "203.0.113.255", "2001:db8::1", "3fff::1", "3fff:fff::1"],
        ),
        (
            Reserved,
            &[
                "192.0.0.1",
                "192.88.99.1",
                "240.0.0.0",
                "255.255.255.254",
                "100::1",
                "2001:10::1",
                "2001:1ff::1",
                "4000::1",
                "5f00::1",
                "64:ff9b:2::1",
                "::1:0:0:0",
            ],
        ),
        (LinkLocal, &["169.254.0.1", "169.254.170.2", "fe80::1", "febf::1", "::ffff:169.254.1.1"]),
        (
            Metadata,
            &[
                "169.254.169.254",
                "168.63.129.16",
                "100.100.100.200",
                "192.0.0.192",
                "fd00:ec2::254",
                "fd00:ec2::23",
                "fd20:ce::254",
                "::ffff:169.254.169.254",
                "::ffff:a9fe:a9fe",
                "::169.254.169.254",
                "64:ff9b::a9fe:a9fe",
                "2002:a9fe:a9fe::1",
                "2001:0:4136:e378:8000:63bf:5601:5601",
            ],
        ),
        (Unspecified, &["0.0.0.0", "0.1.2.3", "::", "::5", "::ffff:0.0.0.0"]),
        (Multicast, &["224.0.0.1", "239.255.255.255", "ff02::1", "ff0e::1"]),
        (Broadcast, &["255.255.255.255", "::ffff:255.255.255.255"]),
        (Translated, &["64:ff9b:1::1", "64:ff9b:1:ffff::7f00:1"]),
    ];

    #[test]
    fn every_address_has_the_class_of_the_registries() {
        for (class, addresses) in TABLE {
            for address in *addresses {
                assert_eq!(AddressClass::of(address.parse().unwrap()), *class, "{address}");
            }
        }
    }

    #[test]
    fn only_public_addresses_are_permitted_unless_the_server_is_private() {
        for (class, _) in TABLE {
            assert_eq!(class.permitted(false), *class == Public, "{class}");
        }
        for class in [Loopback, Private, Shared, Benchmarking, Documentation, Reserved, Public] {
            assert!(class.permitted(true), "{class}");
        }
    }

    #[test]
    fn link_and_metadata_addresses_are_refused_even_when_the_server_is_private() {
        for class in [Metadata, LinkLocal, Unspecified, Multicast, Broadcast, Translated] {
            assert!(!class.permitted(true), "{class}");
        }
    }
}
