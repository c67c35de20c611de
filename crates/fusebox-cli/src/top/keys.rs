//! What each key does.

use super::dialog::{Dialog, Field, Step};
use super::model::{Model, View};
use crate::operate::holds::Order;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// Rows that a page key moves by.
const PAGE: isize = 10;

/// What is to be done about a key beside drawing anew.
#[derive(Debug)]
pub(super) enum Effect {
    Quit,
    /// Read all about this circuit.
    Read(String),
    /// Do this to the circuit, if it is at this revision still.
    Order {
        circuit: String,
        order: Order,
        revision: Option<String>,
    },
}

/// Takes a key in.
pub(super) fn press(model: &mut Model, key: KeyEvent, actor: &str) -> Option<Effect> {
    if key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c') {
        return Some(Effect::Quit);
    }
    match &mut model.view {
        View::List => in_list(model, key),
        View::Filter => in_filter(model, key),
        View::Detail(_) => in_detail(model, key),
        View::Order(_) => in_dialog(model, key, actor),
        View::Help => {
            model.view = View::List;
            None
        }
    }
}

fn in_list(model: &mut Model, key: KeyEvent) -> Option<Effect> {
    match key.code {
        KeyCode::Char('q') => return Some(Effect::Quit),
        KeyCode::Char('?') => model.view = View::Help,
        KeyCode::Char('/') => model.view = View::Filter,
        KeyCode::Esc => {
            model.filter.clear();
            model.keep_choice();
        }
        KeyCode::Char('o') => ask(model),
        KeyCode::Enter => return look(model),
        other => model.choose(moved(other)?),
    }
    None
}

fn moved(key: KeyCode) -> Option<isize> {
    Some(match key {
        KeyCode::Down | KeyCode::Char('j') => 1,
        KeyCode::Up | KeyCode::Char('k') => -1,
        KeyCode::PageDown | KeyCode::Char(' ') => PAGE,
        KeyCode::PageUp => -PAGE,
        KeyCode::Home | KeyCode::Char('g') => isize::MIN,
        KeyCode::End | KeyCode::Char('G') => isize::MAX,
        _ => return None,
    })
}

fn look(model: &mut Model) -> Option<Effect> {
    let name = model.chosen()?.row.name.clone();
    model.view = View::Detail(0);
    model.detail = None;
    Some(Effect::Read(name))
}

fn ask(model: &mut Model) {
    if let Some(entry) = model.chosen() {
        let dialog = Dialog::new(entry.row.name.clone(), entry.row.hold.is_some());
        model.view = View::Order(dialog);
    }
}

fn in_filter(model: &mut Model, key: KeyEvent) -> Option<Effect> {
    match key.code {
        KeyCode::Enter => model.view = View::List,
        KeyCode::Esc => {
            model.filter.clear();
            model.view = View::List;
        }
        KeyCode::Backspace => drop(model.filter.pop()),
        KeyCode::Char(c) if !c.is_control() => model.filter.push(c),
        KeyCode::Down | KeyCode::Up => model.choose(moved(key.code)?),
        _ => {}
    }
    model.keep_choice();
    None
}

fn in_detail(model: &mut Model, key: KeyEvent) -> Option<Effect> {
    match key.code {
        KeyCode::Char('q') | KeyCode::Esc | KeyCode::Enter | KeyCode::Backspace => {
            model.view = View::List;
            model.detail = None;
            model.keep_choice();
        }
        KeyCode::Char('o') => ask(model),
        KeyCode::Char('?') => model.view = View::Help,
        other => {
            let further = moved(other)?;
            if let View::Detail(from) = &mut model.view {
                *from = usize::from(*from).saturating_add_signed(further).min(usize::from(u16::MAX)) as u16;
            }
        }
    }
    None
}

fn in_dialog(model: &mut Model, key: KeyEvent, actor: &str) -> Option<Effect> {
    let View::Order(dialog) = &mut model.view else { return None };
    let shift = key.modifiers.contains(KeyModifiers::SHIFT);
    match (key.code, dialog.field) {
        (KeyCode::Esc, _) => {
            model.view = View::List;
            model.keep_choice();
        }
        // What is under way has to be answered first.
        _ if matches!(dialog.step, Step::Sent { .. }) => {}
        (KeyCode::Enter, _) => return send(dialog, actor),
        (KeyCode::Tab | KeyCode::Down, _) => dialog.go(shift),
        (KeyCode::BackTab | KeyCode::Up, _) => dialog.go(true),
        (KeyCode::Right | KeyCode::Char(' ' | 'l' | 'j'), Field::Action) => dialog.turn(false),
        (KeyCode::Left | KeyCode::Char('h' | 'k'), Field::Action) => dialog.turn(true),
        (KeyCode::Backspace, _) => dialog.write(None),
        (KeyCode::Char(c), _) => dialog.write(Some(c)),
        _ => {}
    }
    None
}

fn send(dialog: &mut Dialog, actor: &str) -> Option<Effect> {
    // What was tried is done to the circuit as it was when it was tried.
    let revision = match &dialog.step {
        Step::Tried(done) => done.before.revision.clone(),
        _ => None,
    };
    let dry_run = !matches!(dialog.step, Step::Tried(_));
    match dialog.order(actor, dry_run) {
        Ok(order) => {
            dialog.step = Step::Sent { dry_run };
            Some(Effect::Order { circuit: dialog.circuit.clone(), order, revision })
        }
        Err((field, why)) => {
            (dialog.field, dialog.step) = (field, Step::Refused(why));
            None
        }
    }
}
