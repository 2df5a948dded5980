//! Bodies on their way to an endpoint that reads, answers or leaves.

use super::*;

#[test]
fn an_upload_that_moves_is_not_cut_by_the_response_timeout() {
    run(async {
        let address = endpoint(|mut stream, _| async move {
            read_head(&mut stream).await.unwrap();
            let mut upload = [0; 4 + 40];
            stream.read_exact(&mut upload).await.unwrap();
            stream.write_all(OK.as_bytes()).await.unwrap();
        })
        .await;
        let bench = Bench::new(Backend { response_timeout: Duration::from_millis(40), ..backend(address) });
        let (feeder, body) = fed();
        let mut request = post(body);
        request.headers_mut().insert("content-length", "44".parse().unwrap());
        let feed = async move {
            for _ in 0..11 {
                // Twice the response's time in all: this is a slow client, not a synchronisation.
                tokio::time::sleep(Duration::from_millis(8)).await;
                feeder.send(Ok(Bytes::from("slow"))).await.unwrap();
            }
        };
        let (response, ()) = tokio::join!(bench.send(request, Reuse::Any), feed);
        assert_eq!(text(response.unwrap()).await, "ok");
    });
}

#[test]
fn an_early_answer_is_heard_while_the_upload_still_runs() {
    run(async {
        let address = endpoint(|mut stream, _| async move {
            read_head(&mut stream).await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await.unwrap();
            // An echo: the answer needs the upload to go on.
            let mut part = [0; 9];
            for _ in 0..3 {
                stream.read_exact(&mut part).await.unwrap();
                stream.write_all(&part).await.unwrap();
            }
            stream.write_all(b"0\r\n\r\n").await.unwrap();
            read_all(&mut stream).await;
        })
        .await;
        let bench = Bench::to(address);
        let (feeder, body) = fed();
        let mut answer = bench.send(post(body), Reuse::Any).await.unwrap().into_body();
        for _ in 0..3 {
            feeder.send(Ok(Bytes::from("echo"))).await.unwrap();
            assert_eq!(next(&mut answer).await, Some(Ok(Bytes::from("echo"))));
        }
        assert_eq!(next(&mut answer).await, None);
        assert_eq!(bench.counts(), (0, 0), "the upload was not over, so the connection is");
    });
}

#[test]
fn a_refusal_is_heard_even_if_the_endpoint_closes_on_the_upload() {
    run(async {
        let address = endpoint(|mut stream, _| async move {
            read_head(&mut stream).await.unwrap();
            stream.write_all(b"HTTP/1.1 413 Too Large\r\ncontent-length: 4\r\n\r\nmuch").await.unwrap();
            // Unread bytes make this a reset.
        })
        .await;
        let bench = Bench::to(address);
        let body = RequestBody::full(Bytes::from(vec![7; 8 << 20]));
        let response = bench.send(post(body), Reuse::Any).await.unwrap();
        assert_eq!(response.status(), 413);
        assert_eq!(bench.counts().1, 0);
    });
}

#[test]
fn a_client_that_breaks_off_is_blamed_itself_and_the_endpoint_sees_no_whole_request() {
    run(async {
        let (sender, seen) = oneshot::channel();
        let sender = Rc::new(Cell::new(Some(sender)));
        let address = endpoint(move |mut stream, _| {
            let sender = sender.take();
            async move { sender.unwrap().send(read_all(&mut stream).await).unwrap() }
        })
        .await;
        let bench = Bench::to(address);
        let (feeder, body) = fed();
        let feed = async move {
            feeder.send(Ok(Bytes::from("part"))).await.unwrap();
            feeder.send(Err(Fault::ClientGone)).await.unwrap();
        };
        let (result, ()) = tokio::join!(bench.send(post(body), Reuse::Any), feed);
        assert_eq!(result.unwrap_err().fault, Fault::ClientGone);
        assert!(!seen.await.unwrap().ends_with(b"0\r\n\r\n"));
    });
}

#[test]
fn a_body_that_is_dropped_early_closes_its_connection() {
    run(async {
        let (sender, closed) = oneshot::channel();
        let sender = Rc::new(Cell::new(Some(sender)));
        let address = endpoint(move |mut stream, _| {
            let sender = sender.take();
            async move {
                read_head(&mut stream).await.unwrap();
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf").await.unwrap();
                read_all(&mut stream).await;
                sender.unwrap().send(()).unwrap();
            }
        })
        .await;
        let bench = Bench::to(address);
        drop(bench.get("/").await.unwrap());
        closed.await.unwrap();
        assert_eq!(bench.counts(), (0, 0));
    });
}

#[test]
fn nobody_reads_so_nothing_is_buffered() {
    run(async {
        let sent = Rc::new(Cell::new(0));
        let stall = Rc::new(Notify::new());
        let (count, has_stalled) = (sent.clone(), stall.clone());
        let address = endpoint(move |mut stream, _| {
            let (count, stall) = (count.clone(), stall.clone());
            async move {
                read_head(&mut stream).await.unwrap();
                socket2::SockRef::from(&stream).set_send_buffer_size(64 * 1024).unwrap();
                stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
                let part = vec![7; 16 * 1024];
                loop {
                    let writing = tokio::time::timeout(Duration::from_millis(200), stream.write_all(&part));
                    match writing.await {
                        Ok(Ok(())) => count.set(count.get() + part.len()),
                        Ok(Err(_)) => return,
                        Err(_) => return stall.notify_one(),
                    }
                }
            }
        })
        .await;
        let bench = Bench::to(address);
        let mut body = bench.get("/").await.unwrap().into_body();
        next(&mut body).await.unwrap().unwrap();
        has_stalled.notified().await;
        // Most of it is in the kernel's buffers of both sides, which grow to a few megabytes.
        assert!(sent.get() < 16 << 20, "the endpoint could send {} bytes to nobody", sent.get());
    });
}
