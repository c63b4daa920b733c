//! The header `Retry-After` (RFC 9110, section 10.2.3).

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;

use super::Response;

/// Seconds to wait, from a number of seconds or a date. A date is taken relative to the `Date` of the response, since
/// clocks differ, or else to `time`, a timestamp of the contract. None where there is no such header or no sense in it.
pub(super) fn retry_after_seconds(response: &Response, time: Option<&str>) -> Option<u32> {
    let value = response.header("retry-after")?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(seconds);
    }
    let until = http_date(value)?;
    let now = response.header("date").and_then(http_date).or_else(|| time?.parse().ok())?;
    u32::try_from((until.as_second() - now.as_second()).max(0)).ok()
}

fn http_date(value: &str) -> Option<Timestamp> {
    DateTimeParser::new().parse_timestamp(value.trim()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Client;

    fn seconds(headers: &[(&str, &str)], time: Option<&str>) -> Option<u32> {
        let client = Client::new("https://x.example");
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        retry_after_seconds(&Response::new(&client.get("/"), 503, headers, Vec::new()), time)
    }

    const DATE: &str = "Sun, 01 Mar 2026 10:00:30 GMT";

    #[test]
    fn a_number_is_a_number_of_seconds() {
        assert_eq!(seconds(&[("retry-after", "120")], None), Some(120));
        assert_eq!(seconds(&[("retry-after", " 0 ")], None), Some(0));
        assert_eq!(seconds(&[("retry-after", "-1")], None), None);
    }

    #[test]
    fn a_date_is_relative_to_the_clock_of_the_server() {
        let headers = [("retry-after", DATE), ("date", "Sun, 01 Mar 2026 10:00:00 GMT")];
        assert_eq!(seconds(&headers, Some("2026-03-01T09:00:00Z")), Some(30));
    }

    #[test]
    fn without_that_clock_a_date_is_relative_to_the_time_of_the_call() {
        assert_eq!(seconds(&[("retry-after", DATE)], Some("2026-03-01T09:59:30Z")), Some(60));
        assert_eq!(seconds(&[("retry-after", DATE)], None), None);
    }

    #[test]
    fn a_date_that_has_passed_means_now() {
        assert_eq!(seconds(&[("retry-after", DATE)], Some("2026-03-01T12:00:00Z")), Some(0));
    }

    #[test]
    fn nothing_is_made_of_a_missing_or_senseless_header() {
        assert_eq!(seconds(&[], Some("2026-03-01T12:00:00Z")), None);
        assert_eq!(seconds(&[("retry-after", "soon")], Some("2026-03-01T12:00:00Z")), None);
    }
}
