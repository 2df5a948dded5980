//! A word from somebody else's program.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, Uri, header};

use crate::analysis::Verdict;
use crate::engine::ReleaseStatus;
use crate::upstream::fetch::{Options, fetch};

/// Posts `status` as JSON to `url`: 2xx passes, 409 is inconclusive, any other 4xx fails, everything else is inconclusive.
/// The first line of the answer's text goes into the sentence.
pub(super) async fn ask(url: &Uri, status: &ReleaseStatus, timeout: Duration) -> (Verdict, String) {
    match post(url, status, timeout).await {
        Ok((code, text)) => {
            let said = if text.is_empty() { String::new() } else { format!(": {text}") };
            (verdict(code), format!("the webhook answered {}{said}", code.as_u16()))
        }
        Err(why) => (Verdict::Inconclusive, why),
    }
}

async fn post(url: &Uri, status: &ReleaseStatus, timeout: Duration) -> Result<(StatusCode, String), String> {
    let unusable = |error: &dyn std::fmt::Display| format!("the webhook cannot be sent: {error}");
    let body = serde_json::to_vec(status).map_err(|error| unusable(&error))?;
    let request = Request::post(url.clone()).header(header::CONTENT_TYPE, "application/json").body(Bytes::from(body));
    let request = request.map_err(|error| unusable(&error))?;
    let options = Options { timeout, limit: LARGEST_ANSWER, ..Options::default() };
    let response = fetch(request, &options).await.map_err(|error| format!("the webhook does not answer: {error}"))?;
    Ok((response.status(), first_line(response.body())))
}

fn verdict(code: StatusCode) -> Verdict {
    match code {
        StatusCode::CONFLICT => Verdict::Inconclusive,
        code if code.is_success() => Verdict::Pass,
        code if code.is_client_error() => Verdict::Fail,
        _ => Verdict::Inconclusive,
    }
}

/// Fit for a sentence: short, and without anything that moves a terminal's cursor.
fn first_line(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let line = text.trim().lines().next().unwrap_or_default();
    line.chars().filter(|c| !c.is_control()).take(LONGEST_TEXT).collect::<String>().trim_end_matches('.').to_owned()
}

/// More than a sentence is none of our business, but no reason to fail.
const LARGEST_ANSWER: usize = 1 << 20;

/// A line of a terminal, about.
const LONGEST_TEXT: usize = 160;
