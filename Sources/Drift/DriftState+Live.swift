extension DriftState {
    /// How often each bin of each stream was met in the saved window, for comparisons with new data.
    ///
    /// - Parameter profile: The reference that the state is of.
    /// - Returns: Counts by stream and bin; nil when the state is of another reference.
    package func liveCounts(_ profile: ReferenceProfile) -> [[UInt64]]? {
        let layout = CellLayout(profile.streams)
        let fresh = CountWindow(cellCount: layout.cellCount)
        guard streams == profile.streams.map({ StreamForm($0) }), window.hasForm(of: fresh) else {
            return nil
        }
        return profile.streams.indices.map { window.counts(of: layout.cells(of: $0)) }
    }
}
