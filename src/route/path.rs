//! The normal form of paths. Rules see it, and backends get it: what was matched is what is forwarded.
//!
//! Two paths that backends take for the same must look the same to rules, or a rule can be dodged. So the normal form is that
//! of RFC 3986 section 6.2.2: unreserved characters decoded, all else that is not allowed as it is encoded with upper-case
//! digits, dot segments removed. Where backends are known to disagree about what a path means, there is no right answer, and
//! the path is refused. Repeated slashes are kept: they make another path, as in RFC 3986.

use std::borrow::Cow;

/// Why a path is refused. As a sentence after "it".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum PathError {
    /// It does not begin with a slash.
    #[error("does not begin with a slash")]
    NotAbsolute,
    /// `%` without two hexadecimal digits.
    #[error("has a % that two hexadecimal digits do not follow")]
    BadEscape,
    /// `%2F`: a slash for some, part of a segment for others.
    #[error("has an encoded slash (%2F)")]
    EncodedSlash,
    /// A backslash, plain or `%5C`: a slash for some.
    #[error("has a backslash")]
    Backslash,
    /// A byte 0: the end for some.
    #[error("has a zero byte")]
    Zero,
    /// `..;x` or `.;x`: a dot segment for servlet containers.
    #[error("has a dot segment with a parameter (..;)")]
    DotParameter,
    /// More `..` than segments before it.
    #[error("leads above the root")]
    AboveRoot,
    /// `//..`: what it removes depends on whether slashes are merged.
    #[error("has .. after an empty segment")]
    DotsAfterEmpty,
}

/// The path as rules see it. Takes no memory for a path that is in its normal form already. Normal forms are their own.
pub fn normalise_path(path: &str) -> Result<Cow<'_, str>, PathError> {
    let Some(relative) = path.strip_prefix('/') else { return Err(PathError::NotAbsolute) };
    if path.bytes().all(|byte| PLAIN[usize::from(byte)])
        && relative.split('/').all(|segment| dots(segment) == Dots::None)
    {
        return Ok(Cow::Borrowed(path));
    }
    let decoded = decode(relative)?;
    resolve(&decoded).map(Cow::Owned)
}

/// Decodes what is unreserved and encodes what is not allowed.
fn decode(path: &str) -> Result<String, PathError> {
    let mut out = String::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        let (byte, was_encoded) = match byte {
            b'%' => (escape(&mut bytes).ok_or(PathError::BadEscape)?, true),
            plain => (plain, false),
        };
        match byte {
            0 => return Err(PathError::Zero),
            b'\\' => return Err(PathError::Backslash),
            b'/' if was_encoded => return Err(PathError::EncodedSlash),
            _ if is_unreserved(byte) || (is_plain(byte) && !was_encoded) => out.push(char::from(byte)),
            _ => push_encoded(&mut out, byte),
        }
    }
    Ok(out)
}

/// The byte that two hexadecimal digits stand for.
fn escape(bytes: &mut impl Iterator<Item = u8>) -> Option<u8> {
    let mut digit = || char::from(bytes.next()?).to_digit(16);
    let (high, low) = (digit()?, digit()?);
    u8::try_from(high * 16 + low).ok()
}

/// Removes the dot segments of a path that is decoded, and given without its first slash.
fn resolve(path: &str) -> Result<String, PathError> {
    let mut out = String::with_capacity(path.len() + 1);
    let mut ends_in_dots = false;
    for segment in path.split('/') {
        let kind = dots(segment);
        ends_in_dots = kind != Dots::None;
        match kind {
            Dots::None => {
                out.push('/');
                out.push_str(segment);
            }
            Dots::One => {}
            Dots::Two => {
                let start = out.rfind('/').ok_or(PathError::AboveRoot)?;
                if start + 1 == out.len() {
                    return Err(PathError::DotsAfterEmpty);
                }
                out.truncate(start);
            }
            Dots::Parameter => return Err(PathError::DotParameter),
        }
    }
    // What ends in a dot segment names a folder.
    if ends_in_dots {
        out.push('/');
    }
    Ok(out)
}

/// What a segment is among dot segments.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Dots {
    None,
    One,
    Two,
    Parameter,
}

fn dots(segment: &str) -> Dots {
    match segment {
        "." => return Dots::One,
        ".." => return Dots::Two,
        _ => {}
    }
    let rest = segment.strip_prefix("..").or_else(|| segment.strip_prefix('.')).unwrap_or_default();
    if rest.starts_with(';') || rest.starts_with("%3B") { Dots::Parameter } else { Dots::None }
}

/// Whether a byte stands in a path as it is: `pchar` of RFC 3986, and the slash.
const fn is_plain(byte: u8) -> bool {
    let other =
        matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' | b':' | b'@');
    is_unreserved(byte) || byte == b'/' || other
}

/// [`is_plain`] by byte.
const PLAIN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = is_plain(byte as u8);
        byte += 1;
    }
    table
};

/// Whether a byte means the same encoded and plain, by RFC 3986 section 2.3.
const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn push_encoded(out: &mut String, byte: u8) {
    out.push('%');
    for digit in [byte >> 4, byte & 15] {
        out.push(char::from(b"0123456789ABCDEF"[usize::from(digit)]));
    }
}

#[cfg(test)]
mod tests;
