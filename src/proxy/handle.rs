//! One request, from its head to the response head, in a straight line.

use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::Arc;

use http::request::Parts;
use http::{Request, Response, StatusCode, header};

use super::attempts::{Answered, Attempts};
use super::choose::{self, Choice, choose};
use super::connection::Connection;
use super::download::{Download, Payload};
use super::exchange::{Exchange, Ticket};
use super::forward::Outgoing;
use super::forwarded::Client;
use super::http1::Answer;
use super::incoming::Incoming;
use super::mirror::Mirrored;
use super::respond::{self, Asker};
use super::rewrite::{self, Here};
use super::seen::Seen;
use super::upload::Upload;
use super::view::View;
use super::{queue, upgrade, validate};
use crate::cors::Cors;
use crate::outcome::Fault;
use crate::route::RequestView;
use crate::snapshot::{Redirect, Route, Target};

/// Answers one request.
pub(super) async fn handle(connection: Rc<Connection>, request: Request<Incoming>) -> Answer<Download> {
    let ticket = Ticket::begin(connection, &request);
    let seen = Seen::of(request.headers());
    let asker = Asker::of(&request, seen);
    let (head, body) = request.into_parts();
    let upload = Upload::new(&ticket, body);
    let response = match serve(&ticket, (head, seen), &upload).await {
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

async fn serve(exchange: &Rc<Exchange>, (head, seen): (Parts, Seen), upload: &Rc<Upload>) -> Result<Served, Fault> {
    let target = validate::target(&head, exchange.view().snapshot.client.header_count)?;
    upload.check_length()?;
    let turn = match turn(exchange, &head, &target) {
        Err(Fault::NoEndpoint) => {
            Box::pin(wait(exchange, &head, &target)).await?;
            self::turn(exchange, &head, &target)?
        }
        turn => turn?,
    };
    let (route, client, mut choice) = match turn {
        Turn::Here(response) => return Ok(Served::Here(response)),
        Turn::Backend(route, client, choice) => (route, client, choice),
    };
    let (slot, cookie) = (choice.slot, choice.take_cookie());
    let origin = route.cors.as_ref().and_then(|cors| cors.allowed_origin(&head.headers)).cloned();
    let outgoing = Outgoing::new(exchange, (route, slot), (head, seen), &target, &client)?;
    let mirrored = Mirrored::draw(exchange, route, &outgoing);
    let mut copy = choice.take_copy().map(|drawn| drawn.copy(exchange, (route, slot), &outgoing));
    if !mirrored.is_empty() || copy.is_some() || choice.is_copyable() || route.retry.attempts() > 1 {
        upload.keep();
    }
    // Without a body at once, for both versions are to meet the same world; with one, when stable has read it.
    if upload.is_kept() {
        copy = copy.and_then(|copy| copy.send(exchange, upload));
    }
    let attempts = Attempts { exchange, route, outgoing: &outgoing, upload, later: OnceCell::new() };
    let answer = attempts.run(choice).await;
    if let Some(copy) = copy {
        copy.send(exchange, upload);
    }
    let mut answer = answer?;
    for mirrored in mirrored {
        mirrored.send(upload);
    }
    let status = answer.response.status();
    respond::pass_on(answer.response.headers_mut(), status, (route, slot), cookie);
    if let Some(cors) = &route.cors {
        cors.tell(origin.as_ref(), answer.response.headers_mut());
    }
    Ok(Served::Backend(answer))
}

/// Whose turn a request is.
enum Turn<'a> {
    /// weir's own.
    Here(Response<Payload>),
    /// That of a backend, for this client.
    Backend(&'a Arc<Route>, Client, Choice<'a>),
}

/// Decides whose turn it is.
fn turn<'a>(exchange: &'a Rc<Exchange>, head: &Parts, target: &validate::Target) -> Result<Turn<'a>, Fault> {
    let listener = exchange.belongs_to(exchange.view(), target.host())?;
    exchange.enters(listener);
    let route = find(exchange.view(), listener, head, target)?;
    exchange.routed(route);
    if let Some(cors) = route.cors.as_ref().filter(|_| Cors::is_preflight(&head.method, &head.headers)) {
        return Ok(Turn::Here(respond::preflight(cors.preflight(&head.headers))));
    }
    if let Target::Redirect(redirect) = &route.target {
        return redirected(exchange, route, redirect, head, target).map(Turn::Here);
    }
    let trusted = exchange.listener().map_or(&[][..], |listener| &listener.trusted_proxies);
    let client = Client::of(exchange.connection.peer.ip(), &head.headers, trusted);
    let choice = choose(exchange, route, head, &client)?;
    Ok(Turn::Backend(route, client, choice))
}

/// Waits for an endpoint, as long as the backends of the route allow.
async fn wait(exchange: &Rc<Exchange>, head: &Parts, target: &validate::Target) -> Result<(), Fault> {
    let route = |view: &View| find(view, exchange.belongs_to(view, target.host())?, head, target).cloned();
    let waiting = route(exchange.view())?;
    let queue = choose::queue(&waiting.target).ok_or(Fault::NoEndpoint)?;
    queue::wait(exchange, queue, route).await
}

/// The route of `view` that takes the request to `listener`.
fn find<'a>(view: &'a View, listener: usize, head: &Parts, target: &validate::Target) -> Result<&'a Arc<Route>, Fault> {
    let router = &view.snapshot.router;
    let path = match target.path(&head.uri) {
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
    router.find(listener, &view).ok_or(Fault::NoRoute)
}

fn redirected(
    exchange: &Exchange,
    route: &Route,
    redirect: &Redirect,
    head: &Parts,
    target: &validate::Target,
) -> Result<Response<Payload>, Fault> {
    let connection = &exchange.connection;
    let here = Here {
        scheme: connection.scheme(),
        authority: target.authority(),
        port: connection.listening.address.port(),
        public_port: exchange.listener().and_then(|listener| listener.public_port),
    };
    let location = rewrite::location(redirect, here, target.paths(&head.uri)).ok_or(Fault::Internal)?;
    let mut response = Response::new(Payload::empty());
    *response.status_mut() = redirect.status;
    response.headers_mut().insert(header::LOCATION, location);
    rewrite::edit(response.headers_mut(), &route.response_headers);
    Ok(response)
}

#[cfg(test)]
mod tests;
