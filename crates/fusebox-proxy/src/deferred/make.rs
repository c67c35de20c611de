//! Making deferred calls in a worker, over the lanes of live traffic.

use super::courier::{Job, Made};
use super::parcel::KeptAnswer;
use crate::alarm::Alarm;
use crate::forward::live;
use crate::reply::Reply;
use crate::session::Session;
use crate::source::Source;
use crate::walk::Walk;
use crate::worker::Worker;
use bytes::Bytes;
use fusebox::Time;
use fusebox_core::flow::End;
use http::{Response, Version};
use http_body::Body;
use std::future::{Future, poll_fn};
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Poll, ready};
use std::time::Duration;

/// Of an answer's body so much is kept.
const MOST_KEPT: usize = 64 << 10;

/// A deferred call takes no longer than this, whatever the route's own deadline.
const LONGEST: Duration = Duration::from_secs(300);

/// Makes one call and answers for it. The lane's fallbacks are not asked: they would stand in for what is to be done.
pub(crate) async fn make(worker: Rc<Worker>, job: Job) {
    let _guest = worker.guests.enter();
    let made = call(&worker, &job).await;
    // Whoever asked may have stopped.
    let _ = job.answer.send(made);
}

async fn call(worker: &Rc<Worker>, job: &Job) -> Made {
    // Whoever asked has given up, and may have somebody else ask.
    if job.answer.is_closed() {
        return Made::NotSent("nobody waits for it".into());
    }
    let own = worker.own_lane(&job.lane);
    let lane = if job.elsewhere { own.and_then(|lane| lane.elsewhere.clone()) } else { own };
    let Some(lane) = lane else {
        return Made::NotSent(format!("there is no route named {} any more", job.lane));
    };
    let nobody = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let session = Rc::new(Session::new(worker.clone(), nobody));
    session.begin_call(Version::HTTP_11, false);
    let (parts, body) = job.request.clone().into_parts();
    let fuses = lane.fuses(&parts.headers);
    let mut ask = lane.route.asking.ask(&parts.headers, !body.is_empty());
    ask.priority = job.priority;
    let source = Source::again(parts, body, job.repeatable);
    let deadline = session.now() + LONGEST;
    let mut walk = Walk::new(&session, &lane, fuses, &source, ask, deadline);
    let finish = drive(&session, walk.run(&source)).await;
    let reached = source.left() > 0;
    let late = |why: &str| match reached {
        true => Made::Unknown(why.into()),
        false => Made::NotSent(why.into()),
    };
    match (finish.end, walk.last.take()) {
        (End::Result, Some((endpoint, Ok(head)))) => {
            let response = live(&session, &mut walk, endpoint, head, None);
            match drive(&session, read(response)).await {
                // It asks to come back; what left before it may have been done.
                Some(answer) if answer.status == 429 && walk.flow.attempts() == 1 => {
                    Made::NotSent("the dependency answered 429 Too Many Requests".into())
                }
                Some(answer) => Made::Answered(answer),
                None => Made::Unknown("its answer broke off".into()),
            }
        }
        (End::Result, Some((_, Err(_)))) => late("the connection broke, or there was none"),
        (end, last) => {
            walk.last = last;
            walk.discard();
            match end {
                End::Rejected(rejection) => late(&rejection.reason.to_string()),
                End::DeadlineExceeded => late("no answer within the deadline of the call"),
                End::TimedOut | End::Result => late("no answer within the time of an attempt"),
            }
        }
    }
}

/// Polls a call whenever its session's clocks ask for it, as the task of a client's connection does.
async fn drive<T>(session: &Session, call: impl Future<Output = T>) -> T {
    let (mut alarm, mut call) = (Alarm::new(), pin!(call));
    poll_fn(|cx| {
        loop {
            if let Poll::Ready(end) = call.as_mut().poll(cx) {
                return Poll::Ready(end);
            }
            ready!(alarm.poll(cx, session.worker.clock(), session.next_due()));
            session.wake_at(Time::NEVER);
            session.settle_if_due();
        }
    })
    .await
}

/// The whole answer; `None` if it breaks off.
async fn read(response: Response<Reply>) -> Option<KeptAnswer> {
    let (parts, mut body) = response.into_parts();
    let (mut kept, mut cut) = (Vec::new(), false);
    loop {
        let frame = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await;
        let Some(frame) = frame else { break };
        if let Ok(part) = frame.ok()?.into_data() {
            let room = MOST_KEPT.saturating_sub(kept.len());
            cut |= part.len() > room;
            kept.extend_from_slice(&part[..part.len().min(room)]);
            if cut {
                break;
            }
        }
    }
    Some(KeptAnswer::of(parts.status, &parts.headers, Bytes::from(kept), cut))
}
