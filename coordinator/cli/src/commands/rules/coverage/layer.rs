//! Owns: a layer for the ATT&CK Navigator, in its format 4.5.
//! Never: which state a technique is in.

use serde_json::{Value, json};

use super::technique::{State, Techniques};

/// The version of ATT&CK by which rules are tagged, and the oldest Navigator that reads the format.
const ATTACK: &str = "18";
const NAVIGATOR: &str = "4.9.0";

const fn color(state: State) -> &'static str {
    match state {
        State::Silent => "#fb6a4a",
        State::Tagged => "#d9d9d9",
        State::Tested => "#fee391",
        State::Noticed => "#c7e9c0",
        State::Executed => "#41ab5d",
    }
}

/// Whole numbers from 0, so that layers can be added up.
const fn score(state: State) -> u8 {
    match state {
        State::Silent => 0,
        State::Tagged => 1,
        State::Tested => 2,
        State::Noticed => 3,
        State::Executed => 4,
    }
}

pub fn of(techniques: &Techniques) -> Value {
    let rows: Vec<Value> = techniques
        .rows()
        .map(|(id, row)| {
            let state = row.state();
            let fired: Vec<&str> = row.fired().into_iter().collect();
            let details = [
                ("state", state.label().to_owned()),
                ("tagged by", row.rules()),
                ("shown by cases", row.shown()),
                ("fired when executed", fired.join(", ")),
            ];
            let details = details.iter().filter(|(_, value)| !value.is_empty());
            json!({
                "techniqueID": id, "score": score(state), "color": color(state), "comment": row.comment(),
                "enabled": true, "showSubtechniques": true,
                "metadata": details.map(|(name, value)| json!({"name": name, "value": value})).collect::<Vec<_>>(),
            })
        })
        .collect();
    let legend: Vec<Value> =
        State::ALL.iter().map(|state| json!({"label": state.label(), "color": color(*state)})).collect();
    json!({
        "name": "Picket rules",
        "versions": {"attack": ATTACK, "navigator": NAVIGATOR, "layer": "4.5"},
        "domain": "enterprise-attack",
        "description": "Which techniques rules are tagged with, which a case beside them shows, which were executed.",
        "filters": {"platforms": ["Linux"]},
        "sorting": 0,
        "layout": {"layout": "side", "showID": true, "showName": true, "expandedSubtechniques": "annotated"},
        "hideDisabled": false,
        "techniques": rows,
        "gradient": {
            "colors": [color(State::Silent), color(State::Tested), color(State::Executed)], "minValue": 0, "maxValue": 4,
        },
        "legendItems": legend,
    })
}
