//! Owns: what two looks at the same files tell.
//! Never: reading them.

use super::super::jobs::{Table, crontab};
use super::*;

fn table(text: &str) -> Items {
    let (jobs, _) = crontab(text.as_bytes(), Table::Of("eve"), "/t");
    jobs.into_iter().map(|job| (job.name.clone(), Item::Job(job))).collect()
}

fn told(old: &Items, new: &Items) -> Vec<String> {
    changes(old, new)
        .into_iter()
        .map(|activity| match activity {
            Activity::ScheduledJob { job } => format!("{} {} {}", job.activity.word(), job.schedule, job.command),
            Activity::Service { change } => format!("{} {} {}", change.activity.word(), change.name, change.command),
            other => format!("{other:?}"),
        })
        .collect()
}

#[test]
fn each_line_of_a_crontab_is_a_job_of_its_own() {
    let old = table("1 * * * * a\n2 * * * * b\n3 * * * * c\n");
    assert_eq!(told(&old, &old), Vec::<String>::new());
    assert_eq!(told(&old, &table("1 * * * * a\n2 * * * * b\n3 * * * * c\n@reboot d\n")), ["created @reboot d"]);
    assert_eq!(told(&old, &table("9 * * * * a\n2 * * * * b\n3 * * * * c\n")), ["modified 9 * * * * a"]);
    assert_eq!(told(&old, &table("1 * * * * evil\n2 * * * * b\n3 * * * * c\n")), ["modified 1 * * * * evil"]);
    assert_eq!(told(&old, &table("2 * * * * b\n3 * * * * c\n")), ["deleted 1 * * * * a"]);
    assert_eq!(told(&table(""), &table("@daily x\n")), ["created @daily x"]);
}

fn unit(content: u64) -> Unit {
    Unit { name: "a.service".into(), path: "/u/a.service".into(), command: format!("/bin/{content}"), content }
}

fn one(item: Item) -> Items {
    Items::from([(String::new(), item)])
}

#[test]
fn units_links_and_masks() {
    let none = Items::new();
    let cases: [(&Items, &Items, &[&str]); 9] = [
        (&none, &one(Item::Unit(unit(1))), &["created a.service /bin/1"]),
        (&one(Item::Unit(unit(1))), &one(Item::Unit(unit(2))), &["modified a.service /bin/2"]),
        (&one(Item::Unit(unit(1))), &none, &["deleted a.service /bin/1"]),
        (&none, &one(Item::Enabled(unit(1))), &["enabled a.service /bin/1"]),
        (&one(Item::Enabled(unit(1))), &none, &["disabled a.service /bin/1"]),
        (&one(Item::Enabled(unit(1))), &one(Item::Enabled(unit(2))), &[]),
        (&none, &one(Item::Masked(unit(1))), &["disabled a.service /bin/1"]),
        (&none, &one(Item::Override(Box::new(Item::Unit(unit(1))))), &["modified a.service /bin/1"]),
        (
            &one(Item::Unit(unit(1))),
            &one(Item::Masked(unit(1))),
            &["deleted a.service /bin/1", "disabled a.service /bin/1"],
        ),
    ];
    for (old, new, expected) in cases {
        assert_eq!(told(old, new), expected);
    }
}
