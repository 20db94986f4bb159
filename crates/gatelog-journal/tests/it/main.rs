//! The journal's promises, in one binary.

#[cfg(test)]
mod append;
#[cfg(test)]
mod damage;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod group_commit;
#[cfg(test)]
mod lag;
#[cfg(test)]
mod model;
#[cfg(test)]
mod on_disk;
#[cfg(test)]
mod readers;
#[cfg(test)]
mod recycling;
#[cfg(test)]
mod repair;
#[cfg(test)]
mod space;
#[cfg(test)]
mod start;
#[cfg(test)]
mod torn_tail;
#[cfg(test)]
mod unreadable;

#[cfg(test)]
mod faulty;
#[cfg(test)]
mod journals;
