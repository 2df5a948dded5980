use std::io::Write;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::*;

fn of(status: u16, body: &str) -> Result<f64, String> {
    read(StatusCode::from_u16(status).unwrap(), body.as_bytes())
}

fn success(data: &str) -> Result<f64, String> {
    of(200, &format!(r#"{{"status":"success","data":{data}}}"#))
}

#[test]
fn one_number_is_read_from_a_scalar_and_from_a_vector_of_one() {
    assert_eq!(success(r#"{"resultType":"scalar","result":[1700000000.5,"0.25"]}"#), Ok(0.25));
    let vector = r#"{"resultType":"vector","result":[{"metric":{"job":"shop"},"value":[1700000000.5,"3"]}]}"#;
    assert_eq!(success(vector), Ok(3.0));
    assert_eq!(success(r#"{"resultType":"scalar","result":[1,"+Inf"]}"#), Ok(f64::INFINITY));
}

#[test]
fn what_is_no_number_says_what_it_is() {
    let sample = r#"{"metric":{},"value":[1,"2"]}"#;
    let cases = [
        (success(r#"{"resultType":"vector","result":[]}"#), "no data"),
        (success(r#"{"resultType":"scalar","result":[1,"NaN"]}"#), "NaN"),
        (success(&format!(r#"{{"resultType":"vector","result":[{sample},{sample}]}}"#)), "2 samples, not one"),
        (success(r#"{"resultType":"matrix","result":[]}"#), "no number"),
        (success(r#"{"resultType":"string","result":[1,"x"]}"#), "no number"),
        (success(r#"{"resultType":"vector","result":[{"metric":{},"histogram":[1,{}]}]}"#), "histogram"),
        (
            of(400, r#"{"status":"error","errorType":"bad_data","error":"parse error"}"#),
            "refuses the query: parse error",
        ),
        (of(502, "<html>"), "refuses the query: status 502"),
        (of(200, "<html>"), "not Prometheus's"),
    ];
    for (answer, text) in cases {
        let error = answer.unwrap_err();
        assert!(error.contains(text), "{error} lacks {text}");
    }
}

#[test]
fn comparisons_hold_where_they_say() {
    use Comparison::*;
    let all = [Less(1.0), LessOrEqual(1.0), Greater(1.0), GreaterOrEqual(1.0), Equal(1.0), NotEqual(1.0)];
    let holds_at = |value| all.map(|comparison| holds(comparison, value));
    assert_eq!(holds_at(0.5), [true, true, false, false, false, true]);
    assert_eq!(holds_at(1.0), [false, true, false, true, true, false]);
    assert_eq!(holds_at(2.0), [false, false, true, true, false, true]);
}

#[test]
fn queries_are_escaped_byte_by_byte() {
    assert_eq!(escape(r#"sum(rate(x{a="é"}[1m]))"#), "sum%28rate%28x%7Ba%3D%22%C3%A9%22%7D%5B1m%5D%29%29");
}

#[tokio::test]
async fn a_server_that_is_not_there_says_nothing_about_the_canary() {
    let nowhere = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let address = format!("http://{nowhere}").parse().unwrap();
    let (verdict, detail) = ask(&address, "up", Comparison::Less(1.0), Duration::from_secs(5)).await;
    assert_eq!(verdict, Verdict::Inconclusive);
    assert!(detail.starts_with("Prometheus does not answer: "), "{detail}");
}

/// A real Prometheus that scrapes nothing; ends with this.
struct Server {
    child: Child,
    address: Uri,
    _dir: TempDir,
}

impl Server {
    /// `None` when there is no Prometheus on this machine.
    fn start() -> Option<Self> {
        let paths = std::env::var_os("PATH")?;
        let binary = std::env::split_paths(&paths).map(|path| path.join("prometheus")).find(|path| path.is_file())?;
        let dir = TempDir::new().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = format!("http://127.0.0.1:{port}").parse().unwrap();
        let child = Self::command(&binary, dir.path(), port).spawn().unwrap();
        Some(Self { child, address, _dir: dir })
    }

    fn command(binary: &Path, dir: &Path, port: u16) -> Command {
        let config = dir.join("prometheus.yml");
        std::fs::write(&config, "scrape_configs: []\n").unwrap();
        let mut command = Command::new(binary);
        command.arg(format!("--config.file={}", config.display()));
        command.arg(format!("--storage.tsdb.path={}", dir.join("data").display()));
        command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    async fn ask(&self, query: &str, pass_if: Comparison) -> (Verdict, String) {
        ask(&self.address, query, pass_if, Duration::from_secs(10)).await
    }

    async fn until_ready(&mut self) {
        let begun = std::time::Instant::now();
        while self.ask("vector(1)", Comparison::Equal(1.0)).await.0 != Verdict::Pass {
            assert!(begun.elapsed() < Duration::from_secs(60), "Prometheus does not become ready");
            assert!(matches!(self.child.try_wait(), Ok(None)), "Prometheus ended");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn a_real_prometheus_is_understood() {
    let Some(mut server) = Server::start() else {
        // Past the test runner, which would hide it.
        let _ = std::io::stderr().write_all(b"SKIPPED a_real_prometheus_is_understood: no `prometheus` on the PATH\n");
        return;
    };
    server.until_ready().await;
    let below = Comparison::Less(0.05);
    assert_eq!(server.ask("vector(0.01)", below).await, (Verdict::Pass, "0.01 is below 0.05".to_owned()));
    assert_eq!(server.ask("scalar(vector(0.5))", below).await, (Verdict::Fail, "0.5 is not below 0.05".to_owned()));
    assert_eq!(server.ask("up", below).await, (Verdict::Inconclusive, "the query gives no data".to_owned()));
    let (verdict, detail) = server.ask("vector(0)/vector(0)", below).await;
    assert_eq!((verdict, detail.contains("NaN")), (Verdict::Inconclusive, true), "{detail}");
    let (verdict, detail) = server.ask(r#"label_replace(vector(1),"a","b","","") or vector(2)"#, below).await;
    assert_eq!((verdict, detail.contains("2 samples")), (Verdict::Inconclusive, true), "{detail}");
    let (verdict, detail) = server.ask("sum(", below).await;
    assert_eq!((verdict, detail.contains("parse error")), (Verdict::Inconclusive, true), "{detail}");
}
