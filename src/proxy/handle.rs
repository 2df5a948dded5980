//! One request, from its head to the response head, in a straight line.

use std::rc::Rc;
use std::sync::Arc;

use http::request::Parts;
use http::{Request, Response, StatusCode, header};

use super::attempts::{Answered, Attempts};
use super::choose::choose;
use super::connection::Connection;
use super::download::{Download, Payload};
use super::exchange::{Exchange, Ticket};
use super::forward::Outgoing;
use super::forwarded::Client;
use super::http1::Answer;
use super::incoming::Incoming;
use super::mirror::Mirrored;
use super::respond::{self, Asker};
use super::rewrite::{self, Here, Paths};
use super::upload::Upload;
use super::{upgrade, validate};
use crate::outcome::Fault;
use crate::route::RequestView;
use crate::snapshot::{Redirect, Route, Target};

/// Answers one request.
pub(super) async fn handle(connection: Rc<Connection>, request: Request<Incoming>) -> Answer<Download> {
    let ticket = Ticket::begin(connection, &request);
    let asker = Asker::of(&request);
    let (head, body) = request.into_parts();
    let upload = Upload::new(&ticket, body);
    let response = match serve(&ticket, head, &upload).await {
        Ok(Served::Backend(answer)) if answer.response.status() == StatusCode::SWITCHING_PROTOCOLS => {
            return upgrade::switch(ticket, answer);
        }
        Ok(Served::Backend(answer)) => {
            let semantics = answer.closing_semantics();
            ticket.keep_busy(answer.in_flight);
            respond::deliver(ticket, answer.response.map(|body| Payload::Upstream(body, semantics)), None, &asker)
        }
        Ok(Served::Here(response)) => respond::deliver(ticket, response, None, &asker),
        Err(fault) => {
            let response = respond::refusal(fault, &asker, ticket.id().as_ref());
            respond::deliver(ticket, response, Some(fault), &asker)
        }
    };
    Answer { response, tunnel: None }
}

/// Who answered.
enum Served {
    /// A backend.
    Backend(Answered),
    /// weir itself, by configuration.
    Here(Response<Payload>),
}

async fn serve(exchange: &Rc<Exchange>, head: Parts, upload: &Rc<Upload>) -> Result<Served, Fault> {
    let target = validate::target(&head, exchange.view.snapshot.client.header_count)?;
    upload.check_length()?;
    let route = find(exchange, &head, &target)?;
    exchange.routed(&route);
    if let Target::Redirect(redirect) = &route.target {
        return redirected(exchange, &route, redirect, &head, &target).map(Served::Here);
    }
    let client = Client::of(exchange.connection.peer.ip(), &head.headers, exchange.view.trusted_proxies());
    let mut choice = choose(exchange, &route, &head.headers, &client)?;
    let cookie = choice.take_cookie();
    let outgoing = Outgoing::new(exchange, &route, head, &target, &client)?;
    let mirrored = Mirrored::draw(exchange, &route, &outgoing);
    if mirrored.is_some() || (outgoing.method().is_idempotent() && route.retry.attempts() > 1) {
        upload.keep();
    }
    let attempts = Attempts { exchange, route: &route, outgoing: &outgoing, upload };
    let mut answer = attempts.run(choice).await?;
    if let Some(mirrored) = mirrored {
        mirrored.send(upload);
    }
    let status = answer.response.status();
    respond::pass_on(answer.response.headers_mut(), status, &route, cookie);
    Ok(Served::Backend(answer))
}

/// The route that takes the request.
fn find(exchange: &Exchange, head: &Parts, target: &validate::Target) -> Result<Arc<Route>, Fault> {
    let (router, listener) = (&exchange.view.snapshot.router, exchange.view.listener);
    let path = match &target.path {
        Ok(path) => path,
        Err(_) if router.reads_paths(listener, target.host()) => return Err(Fault::BadPath),
        Err(_) => head.uri.path(),
    };
    let view = RequestView {
        host: target.host(),
        path,
        query: head.uri.query(),
        method: &head.method,
        headers: &head.headers,
    };
    router.find(listener, &view).cloned().ok_or(Fault::NoRoute)
}

fn redirected(
    exchange: &Exchange,
    route: &Route,
    redirect: &Redirect,
    head: &Parts,
    target: &validate::Target,
) -> Result<Response<Payload>, Fault> {
    let connection = &exchange.connection;
    let here =
        Here { scheme: connection.scheme(), authority: target.authority(), port: connection.listening.address.port() };
    let paths = Paths { uri: &head.uri, normalised: target.path.as_deref().unwrap_or(head.uri.path()) };
    let location = rewrite::location(redirect, here, paths).ok_or(Fault::Internal)?;
    let mut response = Response::new(Payload::empty());
    *response.status_mut() = redirect.status;
    response.headers_mut().insert(header::LOCATION, location);
    rewrite::edit(response.headers_mut(), &route.response_headers);
    Ok(response)
}

#[cfg(test)]
mod tests;
