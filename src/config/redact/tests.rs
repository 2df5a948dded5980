use serde_json::json;

use super::*;

#[test]
fn no_secret_is_left_and_everything_else_is() {
    let mut shown = json!({
        "listeners": [{ "name": "web", "address": "0.0.0.0:8080" }],
        "routes": [{
            "match": { "host": "shop.test", "headers": { "x-key": "S3CRET" }, "query": { "k": { "regex": "S3CRET.*" } } },
            "matches": [{ "headers": { "x-key": { "exact": "S3CRET" } } }],
            "filters": {
                "requestHeaders": { "set": { "authorization": "Bearer S3CRET" }, "add": { "x": "S3CRET" }, "remove": ["y"] },
                "responseHeaders": { "set": { "x-served-by": "weir" } },
            },
        }],
        "releases": { "shop": {
            "overrides": [{ "to": "canary", "header": "x-tester", "value": "S3CRET" }],
            "checks": [
                { "name": "hook", "webhook": { "url": "https://user:S3CRET@hooks.test/services/S3CRET?t=S3CRET" } },
                { "name": "p", "prometheus": { "address": "http://me:S3CRET@127.0.0.1:9090", "query": "up", "passIf": "> 0" } },
                { "name": "q", "prometheus": { "address": "http://127.0.0.1:9090/", "query": "up", "passIf": "> 0" } },
            ],
        }},
    });
    redact(&mut shown);
    let text = shown.to_string();
    assert!(!text.contains("S3CRET"), "{text}");
    assert_eq!(shown["routes"][0]["match"]["host"], "shop.test");
    assert_eq!(shown["routes"][0]["match"]["headers"], json!({ "x-key": "(redacted)" }));
    assert_eq!(shown["routes"][0]["filters"]["responseHeaders"]["set"]["x-served-by"], "weir");
    assert_eq!(shown["routes"][0]["filters"]["requestHeaders"]["remove"], json!(["y"]));
    let release = &shown["releases"]["shop"];
    assert_eq!(release["overrides"][0]["header"], "x-tester");
    assert_eq!(release["checks"][0]["webhook"]["url"], "https://hooks.test/(redacted)");
    assert_eq!(release["checks"][1]["prometheus"]["address"], "http://127.0.0.1:9090");
    assert_eq!(release["checks"][2]["prometheus"]["address"], "http://127.0.0.1:9090/");
}
