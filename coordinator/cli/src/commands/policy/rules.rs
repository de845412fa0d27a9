//! Owns: the rules that go into a bundle: those that come with Picket or those of given folders, compiled to be sure.
//! Never: matching.

use std::path::PathBuf;

use picket_detect::{Detector, IndicatorSource, RuleSource};
use picket_policy::{IndicatorTexts, RuleText, limits};

use super::texts::{self, Wanted};
use crate::exceptions;
use crate::failure::Failure;

/// Sigma rules, as they lie in a folder.
const RULES: Wanted =
    Wanted { what: "rule (*.yml)", is: is_rule, files_max: limits::RULES_MAX, bytes_max: limits::RULE_BYTES_MAX };

/// The rules of these folders; without any, the shipped pack.
pub fn chosen(folders: &[PathBuf]) -> Result<Vec<RuleText>, Failure> {
    if folders.is_empty() {
        let pack = picket_detect::pack().into_iter();
        return Ok(pack.map(|rule| RuleText { file: rule.file, text: rule.text }).collect());
    }
    texts::from_folders(folders, &RULES)
}

/// Hosts refuse a bundle with a rule or indicator that does not compile; so it is not signed in the first place.
pub fn check(rules: &[RuleText], indicators: &IndicatorTexts) -> Result<(), Failure> {
    let rules: Vec<RuleSource> =
        rules.iter().map(|rule| RuleSource { file: rule.file.clone(), text: rule.text.clone() }).collect();
    let indicators = IndicatorSource {
        sha256: indicators.sha256.clone(),
        md5: indicators.md5.clone(),
        addresses: indicators.addresses.clone(),
        domains: indicators.domains.clone(),
        urls: indicators.urls.clone(),
        file_names: indicators.file_names.clone(),
    };
    let compiled = Detector::compile(&rules, &indicators);
    compiled.map(|detector| exceptions::tell_ended(detector.exceptions())).map_err(|errors| {
        let listed: String = errors.iter().map(|error| format!("\n  {error}")).collect();
        Failure::failed(format!("these rules do not compile:{listed}"), "nothing is signed until they do")
    })
}

/// The tests that lie beside rules stay out.
fn is_rule(name: &str) -> bool {
    let stem = name.strip_suffix(".yml").or_else(|| name.strip_suffix(".yaml"));
    stem.is_some_and(|stem| !stem.starts_with('.') && !stem.ends_with(".tests") && !stem.ends_with(".test"))
}

#[cfg(test)]
mod tests {
    use picket_policy::{IndicatorTexts, RuleText};

    use super::{RULES, check, chosen};
    use crate::commands::policy::texts::from_folders;

    #[test]
    fn rules_are_found_in_order_without_their_tests() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("linux")).unwrap();
        for name in ["b.yml", "a.yaml", "a.tests.yml", "notes.md", "linux/c.yml"] {
            std::fs::write(dir.path().join(name), name).unwrap();
        }
        let rules = from_folders(&[dir.path().to_path_buf()], &RULES).unwrap();
        let names: Vec<&str> = rules.iter().map(|rule| rule.file.as_str()).collect();
        assert_eq!(names, ["a.yaml", "b.yml", "linux/c.yml"]);
        assert_eq!(rules[2].text, "linux/c.yml");
        let empty = tempfile::tempdir().unwrap();
        assert!(from_folders(&[empty.path().to_path_buf()], &RULES).unwrap_err().to_string().contains("no rule"));
    }

    #[test]
    fn the_shipped_rules_compile_and_a_bad_one_is_named() {
        let pack = chosen(&[]).unwrap();
        assert!(!pack.is_empty());
        check(&pack, &IndicatorTexts::default()).unwrap();
        let bad = RuleText { file: "bad.yml".into(), text: "title: x\ndetection: 1\n".into() };
        let refused = check(&[bad], &IndicatorTexts::default()).unwrap_err().to_string();
        assert!(refused.contains("bad.yml:"), "{refused}");
    }
}
