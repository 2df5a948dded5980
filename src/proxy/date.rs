//! The Date of answers that came without one.

use std::cell::RefCell;

use http::{HeaderMap, HeaderValue, header};
use jiff::fmt::rfc2822::DateTimePrinter;

use crate::clock::{Clock, SystemClock};

/// What Date says, written anew once a second.
#[derive(Debug, Default)]
pub(super) struct Dates(RefCell<Option<(i64, HeaderValue)>>);

impl Dates {
    /// Adds Date where it is missing: whoever forwards an answer says when it came, and whoever makes one when that was
    /// (RFC 9110, section 6.6.1).
    pub(super) fn complete(&self, headers: &mut HeaderMap) {
        if headers.contains_key(header::DATE) {
            return;
        }
        if let Some(date) = self.at(SystemClock.now().as_millis().div_euclid(1000)) {
            headers.insert(header::DATE, date);
        }
    }

    /// `second` of Unix time; `None` where that is in no calendar.
    fn at(&self, second: i64) -> Option<HeaderValue> {
        let mut known = self.0.borrow_mut();
        if known.as_ref().is_none_or(|(of, _)| *of != second) {
            let time = jiff::Timestamp::from_second(second).ok()?;
            let text = DateTimePrinter::new().timestamp_to_rfc9110_string(&time).ok()?;
            *known = Some((second, HeaderValue::try_from(text).ok()?));
        }
        known.as_ref().map(|(_, date)| date.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_without_date_gets_the_present_second_and_one_with_it_keeps_it() {
        let dates = Dates::default();
        // The example of RFC 9110, section 5.6.7.
        assert_eq!(dates.at(784_111_777).unwrap(), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(dates.at(784_111_778).unwrap(), "Sun, 06 Nov 1994 08:49:38 GMT");
        let mut headers = HeaderMap::new();
        dates.complete(&mut headers);
        assert!(
            headers[header::DATE].as_bytes().ends_with(b" GMT")
                && headers[header::DATE] != "Sun, 06 Nov 1994 08:49:38 GMT"
        );
        headers.insert(header::DATE, HeaderValue::from_static("then"));
        dates.complete(&mut headers);
        assert_eq!(headers[header::DATE], "then");
    }
}
