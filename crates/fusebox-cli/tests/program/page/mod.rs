//! The dashboard of the real program in a real browser, while real calls succeed and fail behind it.
//!
//! A test sets a [`scene`] and leaves the rest to a scenario of the same name beside this file, in Python, which looks at the page as a
//! person would, switches the servers on and off and asks the interface for what is true. A scenario prints what it measured.

mod scene;

use scene::{SECRETS, Setting, flaps, guarded, play};

#[test]
fn every_transition_is_on_the_page_within_a_second() {
    play("transitions", &Setting { config: flaps(), crowd: 0 });
}

#[test]
fn the_first_look_tells_what_is_open_why_since_when_until_when_and_what_it_costs() {
    play("first_look", &Setting::default());
}

#[test]
fn an_operator_takes_a_circuit_in_hand_and_lets_go_of_it() {
    play("override", &Setting::default());
}

#[test]
fn a_page_that_loses_its_server_says_so_comes_back_and_has_missed_nothing() {
    play("reconnect", &Setting { config: flaps(), crowd: 0 });
}

#[test]
fn the_keyboard_alone_is_enough() {
    play("keyboard", &Setting::default());
}

#[test]
fn everything_is_reached_on_a_narrow_screen() {
    play("narrow", &Setting::default());
}

#[test]
fn nothing_shuts_anybody_out_by_day() {
    play("accessible light 1280 720", &Setting::default());
}

#[test]
fn nothing_shuts_anybody_out_by_night() {
    play("accessible dark 1280 720", &Setting::default());
}

#[test]
fn nothing_shuts_anybody_out_on_the_way() {
    play("accessible light 360 740", &Setting::default());
}

#[test]
fn a_hostile_name_is_text_wherever_it_stands() {
    play("hostile", &Setting { config: scene::tenants(), crowd: 0 });
}

#[test]
fn five_hundred_circuits_can_be_looked_at_and_searched() {
    play("crowd", &Setting { config: scene::tenants(), crowd: 500 });
}

#[test]
fn a_reader_that_does_not_read_holds_nobody_up() {
    play("slow_reader", &Setting { config: scene::tenants(), crowd: 500 });
}

#[test]
fn a_token_is_asked_for_and_allows_what_it_allows() {
    let [reads, operates] = SECRETS;
    play(&format!("signin {reads} {operates}"), &Setting { config: guarded(), crowd: 0 });
}

#[test]
fn the_interface_keeps_to_its_description_for_whoever_has_a_token_and_whoever_has_none() {
    let [_, operates] = SECRETS;
    play(&format!("schema profiles {operates}"), &Setting { config: guarded(), crowd: 0 });
}

#[test]
fn the_interface_keeps_to_its_description_whatever_is_asked() {
    play("schema", &Setting::default());
}

#[test]
fn the_interface_keeps_to_its_description_about_a_circuit_that_is_there() {
    play("schema payments", &Setting::default());
}

/// They go into the folder `FUSEBOX_PICTURES`.
#[test]
#[ignore = "a chore: `cargo xtask screenshots`"]
fn the_pictures_of_the_documentation_are_taken() {
    play("pictures", &Setting::default());
    play("pictures_of_a_crowd", &Setting { config: scene::tenants(), crowd: 500 });
}
