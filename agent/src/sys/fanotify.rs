//! Owns: fanotify groups: marks, notification and permission events.
//! Never: deciding an answer.
