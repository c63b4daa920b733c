//! How the host authenticates itself to a node: PLAIN (RFC 4616), or SCRAM (RFC 5802, RFC 7677).

use std::num::NonZeroU32;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut, BytesMut};
use ring::{digest, hmac, pbkdf2};
use secrecy::{ExposeSecret, SecretString};

use super::exchange::{SASL_AUTHENTICATE, SASL_HANDSHAKE, ask, text, text_of, word};
use crate::servers::configuration::Mechanism;
use crate::servers::messaging::wire::{Reader, Wire};
use crate::servers::messaging::{MessagingError, random_word};

pub(super) async fn authenticate(
    wire: &mut Wire,
    mechanism: Mechanism,
    username: &str,
    password: &SecretString,
) -> Result<(), MessagingError> {
    let mut wanted = BytesMut::new();
    text(&mut wanted, mechanism.word());
    let answer = ask(wire, SASL_HANDSHAKE, &wanted).await?;
    let mut answer = Reader::new(&answer);
    let code = answer.i16()?;
    if code != 0 {
        let mut known = Vec::new();
        for _ in 0..answer.i32()? {
            known.push(text_of(&mut answer)?);
        }
        let problem = format!("{}: the broker knows {}", word(code), known.join(", "));
        return Err(MessagingError::Authentication(problem));
    }
    let scram = match mechanism {
        Mechanism::Plain => {
            step(wire, format!("\0{username}\0{}", password.expose_secret()).as_bytes()).await?;
            return Ok(());
        }
        Mechanism::ScramSha256 => Scram { hmac: hmac::HMAC_SHA256, pbkdf2: pbkdf2::PBKDF2_HMAC_SHA256 },
        Mechanism::ScramSha512 => Scram { hmac: hmac::HMAC_SHA512, pbkdf2: pbkdf2::PBKDF2_HMAC_SHA512 },
    };
    let first = first_message(username, &random_word()?);
    let challenge = step(wire, format!("n,,{first}").as_bytes()).await?;
    let refused = |problem: &str| MessagingError::Authentication(problem.to_owned());
    let challenge = String::from_utf8_lossy(&challenge).into_owned();
    let (response, signature) = scram.respond(&first, &challenge, password).map_err(refused)?;
    let end = step(wire, response.as_bytes()).await?;
    let proven = String::from_utf8_lossy(&end).split(',').any(|part| part == format!("v={signature}"));
    // Whoever does not know the password may not get what was meant for the broker.
    if proven { Ok(()) } else { Err(refused("the broker does not prove that it knows the password")) }
}

/// Says something, and gives what the node answers.
async fn step(wire: &mut Wire, said: &[u8]) -> Result<Vec<u8>, MessagingError> {
    let mut body = BytesMut::new();
    body.put_i32(said.len() as i32);
    body.put_slice(said);
    let answer = ask(wire, SASL_AUTHENTICATE, &body).await?;
    let mut answer = Reader::new(&answer);
    let code = answer.i16()?;
    let problem = text_of(&mut answer)?;
    if code != 0 {
        return Err(MessagingError::Authentication(format!("{} {problem}", word(code)).trim().to_owned()));
    }
    let length = usize::try_from(answer.i32()?).unwrap_or(0);
    Ok(answer.bytes(length)?.to_vec())
}

fn first_message(username: &str, nonce: &str) -> String {
    format!("n={},r={nonce}", username.replace('=', "=3D").replace(',', "=2C"))
}

struct Scram {
    hmac: hmac::Algorithm,
    pbkdf2: pbkdf2::Algorithm,
}

/// Fewest and most rounds of a password's hash that a broker may ask for. Kafka's own are 4,096 to 16,384; whoever asks for
/// many keeps a thread of the host busy.
const ROUNDS: std::ops::RangeInclusive<u32> = 1_000..=100_000;

impl Scram {
    /// The last message, and what the broker must answer to it.
    fn respond(
        &self,
        first: &str,
        challenge: &str,
        password: &SecretString,
    ) -> Result<(String, String), &'static str> {
        const NO_CHALLENGE: &str = "the broker does not speak SCRAM";
        let part =
            |name: &str| challenge.split(',').find_map(|part| part.strip_prefix(name)).ok_or(NO_CHALLENGE);
        let (nonce, salt, rounds) = (part("r=")?, part("s=")?, part("i=")?);
        let own = first.rsplit_once("r=").map_or("", |(_, own)| own);
        if !nonce.starts_with(own) || nonce.len() == own.len() {
            return Err("the broker answers somebody else");
        }
        let salt = STANDARD.decode(salt).map_err(|_| NO_CHALLENGE)?;
        let rounds = rounds.parse().ok().filter(|rounds| ROUNDS.contains(rounds)).and_then(NonZeroU32::new);
        let rounds = rounds.ok_or("the broker asks for too few or too many rounds")?;
        let mut salted = vec![0; self.hmac.digest_algorithm().output_len()];
        pbkdf2::derive(self.pbkdf2, rounds, &salt, password.expose_secret().as_bytes(), &mut salted);
        let sign = |key: &[u8], text: &[u8]| hmac::sign(&hmac::Key::new(self.hmac, key), text);
        let client_key = sign(&salted, b"Client Key");
        let stored_key = digest::digest(self.hmac.digest_algorithm(), client_key.as_ref());
        let without_proof = format!("c=biws,r={nonce}");
        let all = format!("{first},{challenge},{without_proof}");
        let signature = sign(stored_key.as_ref(), all.as_bytes());
        let proof: Vec<u8> =
            client_key.as_ref().iter().zip(signature.as_ref()).map(|(key, signed)| key ^ signed).collect();
        let server_key = sign(&salted, b"Server Key");
        let expected = STANDARD.encode(sign(server_key.as_ref(), all.as_bytes()));
        Ok((format!("{without_proof},p={}", STANDARD.encode(proof)), expected))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

    use super::*;

    /// The example of RFC 7677.
    #[test]
    fn scram_proves_the_password_and_asks_for_a_proof() {
        let scram = Scram { hmac: hmac::HMAC_SHA256, pbkdf2: pbkdf2::PBKDF2_HMAC_SHA256 };
        let first = first_message("user", "rOprNGfwEbeRWgbNEkqO");
        let challenge =
            "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        let password = SecretString::from("pencil");
        let (response, signature) = scram.respond(&first, challenge, &password).unwrap();
        assert_eq!(
            response,
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        );
        assert_eq!(signature, "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
        for challenge in
            ["", "r=another,s=eA==,i=4096", "r=rOprNGfwEbeRWgbNEkqOx,s=eA==,i=1", "e=unknown-user"]
        {
            assert!(scram.respond(&first, challenge, &password).is_err(), "{challenge}");
        }
    }

    /// A node that is asked twice, and answers so; gives what it was asked.
    async fn node(mut stream: DuplexStream, answers: [&[u8]; 2]) -> [Vec<u8>; 2] {
        let mut asked = [Vec::new(), Vec::new()];
        for (asked, answer) in asked.iter_mut().zip(answers) {
            let length = stream.read_u32().await.unwrap();
            asked.resize(length as usize, 0);
            stream.read_exact(asked).await.unwrap();
            stream.write_u32(answer.len() as u32 + 4).await.unwrap();
            stream.write_u32(0).await.unwrap();
            stream.write_all(answer).await.unwrap();
        }
        asked
    }

    #[tokio::test]
    async fn a_password_in_plain_is_framed_as_nodes_read_it_and_a_refusal_is_told() {
        let password = SecretString::from("pencil");
        let refusal = [&[0, 58, 0, 3][..], b"bad", &[0, 0, 0, 0]].concat();
        for (answer, accepted) in [(&[0, 0, 0xff, 0xff, 0, 0, 0, 0][..], true), (&refusal, false)] {
            let (ours, theirs) = tokio::io::duplex(1_024);
            let mut wire = Wire::new(Box::new(ours));
            let (ended, asked) = tokio::join!(
                authenticate(&mut wire, Mechanism::Plain, "user", &password),
                node(theirs, [&[0, 0, 0, 0, 0, 1, 0, 5, b'P', b'L', b'A', b'I', b'N'], answer])
            );
            // Request 17 in version 1, and 36 in version 0, each with a number and our name.
            assert_eq!(asked[0], *b"\0\x11\0\x01\0\0\0\0\0\x09provender\0\x05PLAIN");
            assert_eq!(asked[1], *b"\0\x24\0\0\0\0\0\0\0\x09provender\0\0\0\x0c\0user\0pencil");
            match ended {
                Ok(()) => assert!(accepted),
                Err(error) => assert!(!accepted && error.to_string().contains("bad"), "{error}"),
            }
        }
    }

    #[test]
    fn names_are_escaped() {
        assert_eq!(first_message("a=b,c", "x"), "n=a=3Db=2Cc,r=x");
    }
}
