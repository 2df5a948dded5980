//! Native rollouts work as people know them.

use crate::harness::{Namespace, Result, demo_app, eventually, get};

pub async fn an_image_is_set_and_undone(ns: Namespace) -> Result {
    ns.apply(&demo_app("shop", "v1", 3)).await?;
    ns.kubectl("rollout status deployment/shop --timeout=180s").await?;
    let address = ns.balancer("shop").await?;
    let answers = async |version: &str| {
        let expected = format!("{version}\n");
        eventually(version, async || Ok(get(address, 80, "/version").await?.text == expected)).await
    };
    answers("v1").await?;
    ns.kubectl("set image deployment/shop app=weir/demo-app:v2").await?;
    ns.kubectl("rollout status deployment/shop --timeout=180s").await?;
    answers("v2").await?;
    ns.kubectl("rollout undo deployment/shop").await?;
    ns.kubectl("rollout status deployment/shop --timeout=180s").await?;
    answers("v1").await?;
    let history = ns.kubectl("rollout history deployment/shop").await?;
    assert!(history.contains("\n3 "), "the undo is revision 3:\n{history}");
    Ok(())
}

pub async fn an_image_that_does_not_exist_leaves_the_old_pods_serving(ns: Namespace) -> Result {
    ns.apply(&demo_app("shop", "v1", 2)).await?;
    ns.kubectl("rollout status deployment/shop --timeout=180s").await?;
    let address = ns.balancer("shop").await?;
    eventually("v1 answers", async || Ok(get(address, 80, "/version").await?.text == "v1\n")).await?;
    ns.kubectl("set image deployment/shop app=weir/demo-app:does-not-exist").await?;
    eventually("the new pod waits for its image", async || {
        let pods = ns.read("v1", "pods").await?;
        let mut pods = pods["items"].as_array().into_iter().flatten();
        Ok(pods.any(|pod| pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == "ImagePullBackOff"))
    })
    .await?;
    assert_eq!(ns.read("apps/v1", "deployments/shop").await?["status"]["availableReplicas"], 2);
    for _ in 0..20 {
        assert_eq!(get(address, 80, "/version").await?.text, "v1\n");
    }
    Ok(())
}
