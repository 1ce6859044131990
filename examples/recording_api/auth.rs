//! HTTP Basic (RFC 7617), and the roles.
//!
//! A route says who may use it: `supervisor(get(search))`. Both refusals come before a handler, and
//! before its extractors, see the request.

use std::fmt;

use axum::{
    extract::Request,
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::MethodRouter,
};
use headers::{Authorization, HeaderMapExt, authorization::Basic};
use http::HeaderMap;
use subtle::ConstantTimeEq;
use tower_contract::ApiError;

use crate::{api::Api, errors};

/// Each role may do all that the ones before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    Agent,
    Supervisor,
    Admin,
}

/// Who is asking. A handler behind one of the roles finds it in the request's extensions.
#[derive(Clone, Copy, Debug)]
pub struct User {
    name: &'static str,
    password: &'static str,
    role: Role,
}

/// An example's users: each password is the name. Never keep passwords like this.
const USERS: [User; 3] = [
    User { name: "agent", password: "agent", role: Role::Agent },
    User { name: "supervisor", password: "supervisor", role: Role::Supervisor },
    User { name: "admin", password: "admin", role: Role::Admin },
];

/// Routes for everybody with a login.
pub fn agent(routes: MethodRouter<Api>) -> MethodRouter<Api> {
    for_role(Role::Agent, routes)
}

/// Routes for supervisors and administrators.
pub fn supervisor(routes: MethodRouter<Api>) -> MethodRouter<Api> {
    for_role(Role::Supervisor, routes)
}

/// Routes for administrators.
pub fn admin(routes: MethodRouter<Api>) -> MethodRouter<Api> {
    for_role(Role::Admin, routes)
}

fn for_role(role: Role, routes: MethodRouter<Api>) -> MethodRouter<Api> {
    routes.route_layer(middleware::from_fn(move |request, next| check(role, request, next)))
}

async fn check(role: Role, mut request: Request, next: Next) -> Response {
    let Some(user) = user(request.headers()) else {
        return unauthorized().into_response();
    };
    if let Err(refusal) = user.must_be(role) {
        return refusal.into_response();
    }
    request.extensions_mut().insert(user);
    next.run(request).await
}

/// A 401 says how to log in (RFC 9110, 15.5.2).
fn unauthorized() -> ApiError {
    ApiError::unauthorized().with_challenge(r#"Basic realm="recordings", charset="UTF-8""#)
}

impl User {
    /// 403, with the reason, unless the user has this role or a higher one.
    pub fn must_be(&self, role: Role) -> Result<(), ApiError> {
        if self.role < role {
            return Err(errors::role_needed(self.name, role));
        }
        Ok(())
    }
}

/// The user whose name and password the request has. The comparison does not stop at the first
/// difference, so that its time does not tell where that is.
fn user(headers: &HeaderMap) -> Option<User> {
    let Authorization(given) = headers.typed_get::<Authorization<Basic>>()?;
    let user = USERS.into_iter().find(|user| user.name == given.username())?;
    let is_password = user.password.as_bytes().ct_eq(given.password().as_bytes());
    bool::from(is_password).then_some(user)
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Agent => "agent",
            Self::Supervisor => "supervisor",
            Self::Admin => "admin",
        })
    }
}
