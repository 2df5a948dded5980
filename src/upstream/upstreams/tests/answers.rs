//! How answers end, and what is no answer.

use super::*;

#[test]
fn bytes_after_an_answer_poison_its_connection() {
    run(async {
        let answers = [
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil",
            "HTTP/1.1 204 No Content\r\n\r\nevil",
            "HTTP/1.1 304 Not Modified\r\ncontent-length: 4\r\n\r\nevil",
        ];
        for answer in answers {
            let bench = Bench::to(endpoint(move |stream, _| always(stream, answer)).await);
            bench.get_text("/").await;
            assert_eq!(bench.counts(), (0, 0), "{answer}");
        }
        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil";
        let bench = Bench::to(endpoint(move |stream, _| always(stream, answer)).await);
        let response = bench.send(request("HEAD", "/", RequestBody::empty()), Reuse::Any).await.unwrap();
        assert_eq!(response.headers()["content-length"], "4");
        assert_eq!(text(response).await, "");
        assert_eq!(bench.counts(), (0, 0), "a HEAD with a body");
    });
}

#[test]
fn an_answer_with_two_framings_is_read_as_chunks_and_its_connection_closed() {
    run(async {
        let answer =
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
        let bench = Bench::to(endpoint(move |stream, _| always(stream, answer)).await);
        let response = bench.get("/").await.unwrap();
        assert!(!response.headers().contains_key("content-length"));
        assert_eq!(text(response).await, "hello");
        assert_eq!(bench.counts(), (0, 0));
    });
}

#[test]
fn http_1_0_and_connection_close_are_not_reused() {
    run(async {
        for answer in [
            "HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nok",
            "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok",
        ] {
            let bench = Bench::to(endpoint(move |stream, _| always(stream, answer)).await);
            assert_eq!(bench.get_text("/").await, (200, "ok".to_owned()));
            assert_eq!(bench.counts(), (0, 0), "{answer}");
        }
    });
}

#[test]
fn a_body_until_the_end_of_the_connection_is_whole_only_if_that_ends_well() {
    run(async {
        let bench = Bench::to(
            endpoint(|mut stream, number| async move {
                read_head(&mut stream).await.unwrap();
                stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nall of it").await.unwrap();
                if number == 1 {
                    reset(stream);
                }
            })
            .await,
        );
        assert_eq!(bench.get_text("/").await, (200, "all of it".to_owned()));
        match bench.get("/").await {
            Ok(response) => {
                let error = response.into_body().collect().await.unwrap_err();
                assert_eq!(error.fault, Fault::UpstreamTruncated);
            }
            // The reset may overtake the head.
            Err(error) => assert_eq!(error.fault, Fault::UpstreamClosed),
        }
    });
}

#[test]
fn a_truncated_body_is_an_error_never_an_end() {
    run(async {
        for (answer, fault) in [
            ("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello", Fault::UpstreamTruncated),
            ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n", Fault::UpstreamTruncated),
            ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nhello", Fault::UpstreamTruncated),
            ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n", Fault::UpstreamProtocol),
        ] {
            let bench = Bench::to(
                endpoint(move |mut stream, _| async move {
                    read_head(&mut stream).await.unwrap();
                    stream.write_all(answer.as_bytes()).await.unwrap();
                })
                .await,
            );
            let mut body = bench.get("/").await.unwrap().into_body();
            assert_eq!(next(&mut body).await, Some(Ok(Bytes::from("hello"))), "{answer}");
            assert_eq!(next(&mut body).await, Some(Err(fault)), "{answer}");
            assert_eq!(bench.counts(), (0, 0));
        }
    });
}

#[test]
fn trailers_come_through() {
    run(async {
        let answer = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-sum: 7\r\n\r\n";
        let bench = Bench::to(endpoint(move |stream, _| always(stream, answer)).await);
        let whole = bench.get("/").await.unwrap().into_body().collect().await.unwrap();
        assert_eq!(whole.trailers().unwrap()["x-sum"], "7");
        assert_eq!(bench.counts(), (1, 1));
    });
}

#[test]
fn nonsense_instead_of_a_head_is_a_protocol_fault() {
    run(async {
        let long = Box::leak(format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "a".repeat(200_000)).into_boxed_str());
        let many = Box::leak(format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(1000)).into_boxed_str());
        let informed = Box::leak("HTTP/1.1 100 Continue\r\n\r\n".repeat(100_000).into_boxed_str());
        for answer in [
            "SSH-2.0-OpenSSH_9.6\r\n",
            "HTTP/1.1 abc\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
            "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
            "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            long,
            many,
            informed,
        ] {
            let bench = Bench::to(endpoint(move |stream, _| always(stream, answer)).await);
            let error = bench.get("/").await.unwrap_err();
            assert_eq!(error.fault, Fault::UpstreamProtocol, "{:.60}: {error:?}", answer);
            assert_eq!(error.sent, Sent::Maybe);
            assert_eq!(bench.counts(), (0, 0));
        }
    });
}

#[test]
fn informational_responses_that_nobody_wants_are_skipped() {
    run(async {
        let answer = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
        let bench = Bench::to(endpoint(move |stream, _| always(stream, answer)).await);
        assert_eq!(bench.get_text("/").await, (200, String::new()));
        assert_eq!(bench.counts(), (1, 1));
    });
}
