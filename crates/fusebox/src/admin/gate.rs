//! What every request passes before anything is read or done for it.

use super::access::limits::Limits;
use super::access::{Access, Caller, Denied, Scope};
use super::answer::{Answer, Problem};
use super::asked::Asked;
use super::audit::Draft;
use super::routes::{self, Route};
use super::wall::Wall;
use super::{Admin, orders};
use crate::Time;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

/// Characters of a request's id that are taken over.
const LONGEST_ID: usize = 128;

/// A request that may be answered.
pub(super) struct Admitted<'a> {
    pub(super) caller: Caller,
    pub(super) route: &'static Route,
    /// What fills the braces of the route.
    pub(super) rest: &'a str,
}

/// A request on its way, and what the trail will tell of it if it wants to change something.
pub(super) struct Underway<'a> {
    pub(super) asked: Asked<'a>,
    pub(super) id: String,
    pub(super) draft: Draft,
}

impl Admin {
    /// Begins with a request.
    pub(super) fn begin<'a>(&self, asked: Asked<'a>) -> Underway<'a> {
        let id = request_id(asked.request_id);
        let draft = Draft {
            peer: Some(peer(&asked)),
            request_id: Some(id.clone()),
            action: routes::find(asked.path()).map(orders::named).unwrap_or_default(),
            ..Draft::default()
        };
        Underway { asked, id, draft }
    }

    /// Lets a request in, or says why not.
    pub(super) fn admit<'a>(&self, underway: &mut Underway<'a>) -> Result<Admitted<'a>, Problem> {
        let asked = underway.asked;
        let found = routes::find(asked.path());
        let now = self.registry.clock().now();
        if !found.is_some_and(|(route, _)| route.is_health()) {
            self.access.check_origin(&asked)?;
            self.limits.request(asked.peer, asked.is_change(), now)?;
        }
        let needed = match found {
            Some((route, _)) => route.scope(asked.method),
            None => Ok(Some(Scope::Read)),
        };
        let caller = match needed {
            Ok(None) => Caller::unnamed(Scope::Read),
            _ => identify(&self.access, &self.limits, &asked, now)?,
        };
        underway.draft.actor = caller.name.clone();
        underway.draft.scope = Some(caller.scope.to_string());
        let Some((route, rest)) = found else { return Err(Problem::no_such_path(asked.path())) };
        let needed = needed.map_err(|_| Problem::only(route.allow()))?;
        if let Some(needed) = needed.filter(|needed| *needed > caller.scope) {
            return Err(self.access.too_small(&caller, needed));
        }
        let kind = asked.content_type.map(|kind| kind.split(';').next().unwrap_or_default().trim());
        if asked.is_change() && !kind.is_some_and(|kind| kind.eq_ignore_ascii_case("application/json")) {
            return Err(Problem::unsupported(asked.content_type.unwrap_or("none")));
        }
        Ok(Admitted { caller, route, rest })
    }

    /// The answer as it is sent. A change that was refused is written down first, and who was turned away with a token or from another
    /// site, whatever was asked for.
    pub(super) fn finish(&self, underway: Underway<'_>, answered: Result<Answer, Problem>) -> Answer {
        let Underway { asked, id, draft } = underway;
        let answer = answered.unwrap_or_else(Problem::answer);
        let changes = routes::find(asked.path()).is_some_and(|(route, _)| route.change);
        let turned_away = answer.status == 403 || answer.status == 401 && asked.authorization.is_some();
        if asked.is_change() && changes && answer.status >= 400 || turned_away {
            let wall = Wall::read(self.registry.clock().now());
            let draft = Draft {
                at: wall.rfc3339(wall.now()),
                status: answer.status,
                result: "refused",
                detail: answer.detail().map(cut),
                after: None,
                expires_at: None,
                ..draft
            };
            self.audit.refuse(draft, wall.now());
        }
        answer.known_by(&id)
    }
}

/// Who asks. A wrong token costs one of the tries that a peer has, a right one nothing.
fn identify(access: &Access, limits: &Limits, asked: &Asked<'_>, now: Time) -> Result<Caller, Problem> {
    if !access.reads_token(asked) {
        return access.caller(asked).map_err(|denied| denied.problem(asked.is_local()));
    }
    let attempt = limits.attempt(asked.peer, now)?;
    let caller = access.caller(asked);
    if !matches!(caller, Err(Denied::WrongToken)) {
        limits.right(asked.peer, attempt, now);
    }
    caller.map_err(|denied| denied.problem(asked.is_local()))
}

fn peer(asked: &Asked<'_>) -> String {
    let peer = asked.peer;
    if asked.forwarded { format!("{peer}, for somebody else") } else { peer.to_string() }
}

/// Refusals quote what was sent, which may be long.
fn cut(detail: &str) -> String {
    const LONGEST: usize = 400;
    match detail.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &detail[..end]),
        None => detail.into(),
    }
}

/// The id that the caller gave, if it can stand in a header and a log as it is; else another.
fn request_id(given: Option<&str>) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.:/+=".contains(c);
    let given = given.filter(|id| (1..=LONGEST_ID).contains(&id.len()) && id.chars().all(is_plain));
    given.map_or_else(|| format!("{:016x}", RandomState::new().hash_one("request")), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_taken_over_if_it_is_plain_and_made_otherwise() {
        assert_eq!(request_id(Some("a1-B_2.c:/+=")), "a1-B_2.c:/+=");
        let long = "x".repeat(LONGEST_ID + 1);
        for given in [None, Some(""), Some("a b"), Some("a\"b"), Some("ä"), Some(&*long), Some("?")] {
            let made = request_id(given);
            assert!(made.len() == 16 && Some(&*made) != given, "{made}");
        }
        assert_ne!(request_id(None), request_id(None));
    }
}
