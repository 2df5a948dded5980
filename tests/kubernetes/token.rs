//! The token of weir's control surface, from an optional Secret.

use anyhow::ensure;

use crate::harness::{Namespace, Result, eventually};
use crate::weir;

pub async fn the_control_surface_takes_the_token_of_a_secret_that_comes_and_changes_later(ns: Namespace) -> Result {
    weir::install(&ns, 1).await?;
    ns.kubectl("delete secret weir-admin").await?;
    ns.kubectl("rollout restart deployment/weir").await?;
    ns.kubectl("rollout status deployment/weir --timeout=180s").await?;
    eventually("one is left", async || Ok(weir::pods(&ns).await?.len() == 1)).await?;
    let pod = weir::pods(&ns).await?.remove(0);
    let (first, second) = ("the-first-token-of-the-trial", "another-token-of-the-trial");
    ensure!(pod.answers(first).await? == 401, "nobody knows the token of a weir without a Secret");
    ns.kubectl(&format!("create secret generic weir-admin --from-literal=token={first}")).await?;
    eventually("the token that came holds", async || Ok(pod.answers(first).await? == 200)).await?;
    let change = format!(r#"{{"stringData":{{"token":"{second}"}}}}"#);
    ns.run("kubectl", &["patch", "secret", "weir-admin", "-p", &change], "").await?;
    eventually("the new token holds", async || Ok(pod.answers(second).await? == 200)).await?;
    ensure!(pod.answers(first).await? == 401, "the old one does not");
    ensure!(weir::pods(&ns).await?.iter().any(|still| still.uid == pod.uid), "nothing was restarted");
    Ok(())
}
