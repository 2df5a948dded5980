//! Pods and Services are what they are elsewhere: what the other trials stand on.

use crate::harness::{Namespace, Result, demo_app, eventually, get};

pub async fn a_deployment_answers_by_its_service_and_by_its_load_balancer(ns: Namespace) -> Result {
    ns.apply(&demo_app("shop", "v1", 2)).await?;
    ns.kubectl("rollout status deployment/shop --timeout=180s").await?;
    let balancer = ns.balancer("shop").await?;
    let service = ns.address("v1", "services/shop", "/spec/clusterIP").await?;
    for address in [balancer, service] {
        eventually("it answers", async || Ok(get(address, 80, "/version").await?.text == "v1\n")).await?;
    }
    Ok(())
}

pub async fn a_pod_that_is_deleted_finishes_what_it_has_begun(ns: Namespace) -> Result {
    ns.kubectl("run app --image=weir/demo-app:v1 --env=WEIR_DEMO_APP_LATENCY=300ms").await?;
    let address = ns.address("v1", "pods/app", "/status/podIP").await?;
    eventually("it answers", async || Ok(get(address, 8080, "/healthz").await?.status == 200)).await?;
    let begun = tokio::spawn(async move { get(address, 8080, "/").await });
    ns.kubectl("delete pod app").await?;
    assert_eq!(begun.await??.status, 200);
    assert!(get(address, 8080, "/").await.is_err(), "the pod is gone");
    Ok(())
}

pub async fn a_container_that_crashes_is_started_again_later_and_later(ns: Namespace) -> Result {
    ns.kubectl("run broken --image=weir/demo-app:crash").await?;
    let status = async || Result::Ok(ns.read("v1", "pods/broken").await?["status"]["containerStatuses"][0].clone());
    eventually("it has been started again and waits", async || {
        let status = status().await?;
        let waits = status["state"]["waiting"]["reason"] == "CrashLoopBackOff";
        Ok(waits && status["restartCount"].as_u64() >= Some(1))
    })
    .await?;
    let status = status().await?;
    assert_eq!(status["lastState"]["terminated"]["exitCode"], 1, "{status}");
    assert!(ns.kubectl("logs broken --previous").await?.contains("it cannot work like this"));
    Ok(())
}

pub async fn what_a_container_prints_can_be_read(ns: Namespace) -> Result {
    ns.kubectl("run app --image=weir/demo-app:v1").await?;
    ns.kubectl("wait --for=condition=Ready pod/app --timeout=180s").await?;
    eventually("the first line is there", async || Ok(ns.kubectl("logs app").await? == "listening on 0.0.0.0:8080\n"))
        .await
}

pub async fn configuration_reaches_a_pod_as_files_and_as_variables(ns: Namespace) -> Result {
    ns.apply(CONFIGURED).await?;
    ns.kubectl("wait --for=jsonpath={.status.phase}=Succeeded pod/reader --timeout=180s").await?;
    let printed = ns.kubectl("logs reader").await?;
    let expected = format!("from a file\nfrom a secret\nreader of {}\n{}\n", ns.name, ns.name);
    assert_eq!(printed, expected);
    Ok(())
}

const CONFIGURED: &str = r#"
apiVersion: v1
kind: ConfigMap
metadata: {name: texts}
data: {text: from a file}
---
apiVersion: v1
kind: Secret
metadata: {name: secrets}
stringData: {WORD: from a secret}
---
apiVersion: v1
kind: Pod
metadata: {name: reader}
spec:
  restartPolicy: Never
  containers:
    - name: reader
      image: weir/demo-app:v1
      command: [sh, -c]
      args:
        - |
          cat /config/text; echo
          echo "$WORD"
          echo "$WHO"
          cat /var/run/secrets/kubernetes.io/serviceaccount/namespace; echo
          test -s /var/run/secrets/kubernetes.io/serviceaccount/token
      env:
        - {name: NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
        - {name: WHERE, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}
        - {name: WHO, value: $(NAME) of $(WHERE)}
      envFrom:
        - secretRef: {name: secrets}
      volumeMounts:
        - {name: texts, mountPath: /config, readOnly: true}
  volumes:
    - name: texts
      configMap: {name: texts}
"#;
