//! Where a server is that is not named by the URL of HTTP: `HOST:PORT`.

use std::fmt;

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Authority {
    /// A name, or an address; in brackets where it is one of IPv6.
    host: String,
    port: u16,
}

impl Authority {
    /// Reads `HOST[:PORT]`, with this port where it has none. The text of an error says what is wrong with it.
    pub(super) fn parse(text: &str, port: u16) -> Result<Self, String> {
        if text.contains(['/', '?', '#', '@']) {
            return Err("must be HOST or HOST:PORT; use `tls` and `authentication` for the rest".to_owned());
        }
        // Names and addresses are normalised as those of http are.
        let url = url::Url::parse(&format!("http://{text}"))
            .map_err(|error| format!("has no valid host and port: {error}"))?;
        let host = url.host_str().unwrap_or_default().to_owned();
        // The port of http itself is not kept apart from none.
        let of_http = text.ends_with(":80").then_some(80);
        Ok(Self { host, port: url.port().or(of_http).unwrap_or(port) })
    }

    /// A name, or an address without brackets.
    pub(super) fn host(&self) -> &str {
        self.host.trim_matches(['[', ']'])
    }

    /// Of a host that is not in brackets where it is an address of IPv6.
    pub(super) fn of(host: &str, port: u16) -> Result<Self, String> {
        let bracketed = host.contains(':') && !host.starts_with('[');
        Self::parse(&if bracketed { format!("[{host}]:{port}") } else { format!("{host}:{port}") }, port)
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_normalised_and_others_refused() {
        for (text, address) in [
            ("Broker.Example.org", "broker.example.org:9092"),
            ("127.0.0.1:1", "127.0.0.1:1"),
            ("[::1]", "[::1]:9092"),
            ("x:80", "x:80"),
        ] {
            assert_eq!(Authority::parse(text, 9092).unwrap().to_string(), address);
        }
        for text in ["", "kafka://x", "x/y", "u@x", "x:99999", "x y"] {
            assert!(Authority::parse(text, 9092).is_err(), "{text}");
        }
        assert_eq!(Authority::of("fe80::1", 7).unwrap().to_string(), "[fe80::1]:7");
    }
}
