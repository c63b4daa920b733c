//! The part of BER (ITU-T X.690) that LDAP uses: definite lengths, one-byte tags.

pub(super) const BOOLEAN: u8 = 0x01;
pub(super) const INTEGER: u8 = 0x02;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const ENUMERATED: u8 = 0x0a;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;

/// Bytes that are not what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// Appends an element.
pub(super) fn put(tag: u8, content: &[u8], out: &mut Vec<u8>) {
    out.push(tag);
    let length = content.len().to_be_bytes();
    let first = length.iter().position(|byte| *byte != 0).unwrap_or(length.len());
    let significant = length.get(first..).unwrap_or_default();
    match significant {
        [] => out.push(0),
        [short] if *short < 0x80 => out.push(*short),
        long => {
            // At most eight.
            out.push(0x80 | u8::try_from(long.len()).unwrap_or(0));
            out.extend_from_slice(long);
        }
    }
    out.extend_from_slice(content);
}

/// Appends an element whose content is written by `content`.
pub(super) fn nested(tag: u8, out: &mut Vec<u8>, content: impl FnOnce(&mut Vec<u8>)) {
    let mut inner = Vec::new();
    content(&mut inner);
    put(tag, &inner, out);
}

/// Appends a number, not negative.
pub(super) fn put_number(tag: u8, number: u32, out: &mut Vec<u8>) {
    let bytes = number.to_be_bytes();
    let first = bytes.iter().position(|byte| *byte != 0).unwrap_or(3);
    let mut content = Vec::with_capacity(5);
    if bytes.get(first).is_some_and(|byte| *byte >= 0x80) {
        content.push(0);
    }
    content.extend_from_slice(bytes.get(first..).unwrap_or_default());
    put(tag, &content, out);
}

/// Reads elements one after the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next element: its tag and its content.
    pub(super) fn element(&mut self) -> Result<(u8, &'a [u8]), Malformed> {
        let (&tag, rest) = self.0.split_first().ok_or(Malformed)?;
        let (&first, rest) = rest.split_first().ok_or(Malformed)?;
        let (length, rest) = match first {
            0..0x80 => (usize::from(first), rest),
            _ => {
                let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f)).ok_or(Malformed)?;
                (long_length(bytes)?, rest)
            }
        };
        let (content, rest) = rest.split_at_checked(length).ok_or(Malformed)?;
        self.0 = rest;
        Ok((tag, content))
    }

    /// The content of the next element, which has this tag.
    pub(super) fn expect(&mut self, tag: u8) -> Result<&'a [u8], Malformed> {
        match self.element()? {
            (found, content) if found == tag => Ok(content),
            _ => Err(Malformed),
        }
    }

    /// The elements in the next element, which has this tag.
    pub(super) fn open(&mut self, tag: u8) -> Result<Self, Malformed> {
        self.expect(tag).map(Self)
    }

    /// The next element as a number, not negative.
    pub(super) fn number(&mut self, tag: u8) -> Result<u32, Malformed> {
        let content = self.expect(tag)?;
        if content.is_empty() || content.len() > 5 || content.first().is_some_and(|byte| *byte >= 0x80) {
            return Err(Malformed);
        }
        let number = content.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        u32::try_from(number).map_err(|_| Malformed)
    }

    /// The next element as a text. What is no UTF-8 is shown as far as it can be.
    pub(super) fn text(&mut self, tag: u8) -> Result<String, Malformed> {
        self.expect(tag).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }
}

/// A length of more than one byte. The indefinite form, of none, is not LDAP's (RFC 4511 section 5.1).
pub(super) fn long_length(bytes: &[u8]) -> Result<usize, Malformed> {
    if bytes.is_empty() || bytes.len() > 8 {
        return Err(Malformed);
    }
    let length = bytes.iter().fold(0_u64, |length, byte| length << 8 | u64::from(*byte));
    usize::try_from(length).map_err(|_| Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_of_all_lengths_come_back() {
        for length in [0, 1, 127, 128, 255, 256, 65_536] {
            let mut out = Vec::new();
            put(OCTET_STRING, &vec![7; length], &mut out);
            let mut reader = Reader::new(&out);
            assert_eq!(reader.expect(OCTET_STRING).unwrap().len(), length);
            assert!(reader.is_empty());
        }
        for number in [0, 1, 127, 128, 255, 256, u32::MAX] {
            let mut out = Vec::new();
            put_number(INTEGER, number, &mut out);
            assert_eq!(Reader::new(&out).number(INTEGER), Ok(number));
        }
    }

    #[test]
    fn what_is_cut_short_or_lies_about_its_length_is_malformed() {
        for bytes in [
            &b""[..],
            b"\x04",
            b"\x04\x05ab",
            b"\x04\x80ab",
            b"\x04\x89\0\0\0\0\0\0\0\0\x01a",
            b"\x04\x88\xff\xff\xff\xff\xff\xff\xff\xff",
        ] {
            assert_eq!(Reader::new(bytes).expect(OCTET_STRING), Err(Malformed), "{bytes:?}");
        }
        assert_eq!(Reader::new(b"\x02\x01\xff").number(INTEGER), Err(Malformed));
        assert_eq!(Reader::new(b"\x02\x00").number(INTEGER), Err(Malformed));
    }
}
