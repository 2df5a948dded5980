//! "Did you mean": the nearest of the names that exist.

/// What to do about `found`, which is none of `known`: the nearest one, or all of them when they are few, after `intro`.
pub(crate) fn suggest<'a>(found: &str, known: impl IntoIterator<Item = &'a str>, intro: &str) -> Option<String> {
    let known: Vec<&str> = known.into_iter().collect();
    if let Some(near) = nearest(found, &known) {
        return Some(format!("did you mean `{near}`?"));
    }
    (!known.is_empty() && known.len() <= FEW).then(|| format!("{intro}{}", enumerate(&known, "and")))
}

/// `a`, `b` and `c`.
pub(crate) fn enumerate(names: &[&str], last: &str) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((end, rest)) if !rest.is_empty() => format!("{} {last} {end}", rest.join(", ")),
        Some((end, _)) => end.clone(),
        None => "none".to_owned(),
    }
}

/// The one of `known` that somebody who wrote `found` may have meant.
pub(crate) fn nearest<'a>(found: &str, known: &[&'a str]) -> Option<&'a str> {
    let plain = |text: &str| text.to_lowercase().replace(['-', '_'], "");
    let wanted = plain(found);
    let distance = |name: &str| strsim::damerau_levenshtein(&wanted, &plain(name));
    let allowed = (wanted.chars().count() / 3).clamp(1, 4);
    let near = known.iter().map(|name| (distance(name), *name)).min()?;
    (near.0 <= allowed).then_some(near.1)
}

/// More names than this are not told.
const FEW: usize = 16;
