//! Messages as Kafka keeps them: a batch of records (version 2).

use bytes::{BufMut, BytesMut};

use crate::servers::messaging::Message;

/// A batch of messages, made at this time in milliseconds since 1970.
pub(super) fn batch(messages: &[&Message], time: i64) -> BytesMut {
    let last = messages.len().saturating_sub(1) as i32;
    // What the checksum covers.
    let mut body = BytesMut::new();
    body.put_i16(0);
    body.put_i32(last);
    body.put_i64(time);
    body.put_i64(time);
    // No producer that the brokers know, and no numbers of its messages.
    body.put_i64(-1);
    body.put_i16(-1);
    body.put_i32(-1);
    body.put_i32(messages.len() as i32);
    for (offset, message) in (0..).zip(messages) {
        let record = record(offset, message);
        varint(&mut body, record.len() as i64);
        body.put(record);
    }
    let mut batch = BytesMut::with_capacity(body.len() + 21);
    batch.put_i64(0);
    batch.put_i32(body.len() as i32 + 9);
    batch.put_i32(-1);
    batch.put_i8(2);
    batch.put_u32(crc32c(&body));
    batch.put(body);
    batch
}

fn record(offset: i64, message: &Message) -> BytesMut {
    let mut record = BytesMut::new();
    record.put_i8(0);
    varint(&mut record, 0);
    varint(&mut record, offset);
    match &message.key {
        Some(key) => bytes(&mut record, key.as_bytes()),
        None => varint(&mut record, -1),
    }
    bytes(&mut record, &message.body);
    let content_type = message.content_type.as_ref().map(|value| ("content-type", value.as_bytes()));
    let headers = message.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
    varint(&mut record, (message.headers.len() + usize::from(content_type.is_some())) as i64);
    for (name, value) in content_type.into_iter().chain(headers) {
        bytes(&mut record, name.as_bytes());
        bytes(&mut record, value);
    }
    record
}

fn bytes(out: &mut BytesMut, bytes: &[u8]) {
    varint(out, bytes.len() as i64);
    out.put_slice(bytes);
}

/// A number in zigzag, seven bits at a time.
fn varint(out: &mut BytesMut, value: i64) {
    let mut value = (value << 1 ^ value >> 63) as u64;
    while value >= 0x80 {
        out.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}

/// CRC-32C (Castagnoli).
fn crc32c(bytes: &[u8]) -> u32 {
    static TABLE: [u32; 256] = table();
    let step = |crc: u32, byte: &u8| {
        let [low, ..] = (crc ^ u32::from(*byte)).to_le_bytes();
        crc >> 8 ^ TABLE.get(usize::from(low)).copied().unwrap_or_default()
    };
    !bytes.iter().fold(!0, step)
}

#[allow(clippy::indexing_slicing, reason = "evaluated by the compiler")]
const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut crc = index as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
            bit += 1;
        }
        table[index] = crc;
        index += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_castagnolis() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn numbers_are_in_zigzag() {
        for (value, written) in
            [(0, &[0][..]), (-1, &[1]), (1, &[2]), (63, &[126]), (-64, &[127]), (64, &[128, 1])]
        {
            let mut out = BytesMut::new();
            varint(&mut out, value);
            assert_eq!(&*out, written, "{value}");
        }
    }
}
