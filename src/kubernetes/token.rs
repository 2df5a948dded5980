//! The token of the control surface, from a Secret that may be mounted and changed at any time.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::sleep;

use crate::admin::Token;

/// Copies the token in `source` into `file` whenever it is another one. While `source` is missing or has no good token, `file`
/// stays as it is.
pub async fn follow(source: PathBuf, file: PathBuf) {
    let mut trouble = None;
    loop {
        let said = copy(&source, &file).err();
        if said != trouble {
            match &said {
                Some(why) => tracing::warn!("the token of the control surface stays as it is: {why}"),
                None => tracing::info!("the token of the control surface is that of {}", source.display()),
            }
            trouble = said;
        }
        sleep(BETWEEN_LOOKS).await;
    }
}

fn copy(source: &Path, file: &Path) -> Result<(), String> {
    if !source.exists() {
        return Ok(());
    }
    let token = Token::read(source).map_err(|error| error.to_string())?;
    if Token::read(file).is_ok_and(|present| present == token) {
        return Ok(());
    }
    token.write(file).map_err(|error| format!("{} cannot be written: {error}", file.display()))
}

/// A kubelet brings changes of a Secret into a pod once a minute or so.
const BETWEEN_LOOKS: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_comes_and_changes_later_is_the_token_and_one_that_goes_leaves_it() {
        let folder = tempfile::tempdir().unwrap();
        let (source, file) = (folder.path().join("secret"), folder.path().join("state/token"));
        Token::generate().unwrap().write(&file).unwrap();
        let own = Token::read(&file).unwrap();
        copy(&source, &file).unwrap();
        assert_eq!(Token::read(&file).unwrap(), own);
        for secret in ["0123456789abcdef", "fedcba9876543210"] {
            std::fs::write(&source, secret).unwrap();
            copy(&source, &file).unwrap();
            assert_eq!(Token::read(&file).unwrap().reveal(), secret);
        }
        std::fs::write(&source, "short").unwrap();
        assert!(copy(&source, &file).unwrap_err().contains("16 printable characters"));
        std::fs::remove_file(&source).unwrap();
        copy(&source, &file).unwrap();
        assert_eq!(Token::read(&file).unwrap().reveal(), "fedcba9876543210");
    }
}
