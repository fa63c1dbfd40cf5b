//! Regions of the file of a running run, and their changes.

/// Region of the file that grows or changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JournalRegion {
    /// The keys before the lists.
    Head,
    /// The hypothesis before the method.
    Before,
    /// The hypothesis after the method.
    After,
    /// The checks during the method.
    During,
    /// The activities of the method.
    Run,
    /// The rollbacks.
    Rollbacks,
    /// The keys of this program.
    Extension,
    /// The actions and their effects.
    Activities,
}

/// Changed entry of a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegionChange {
    pub region: JournalRegion,
    /// The index of the entry; 0 if the region has one entry.
    pub index: usize,
}
