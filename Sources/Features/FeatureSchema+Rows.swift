extension FeatureSchema {
    /// Whether raw rows of the other schema mean the same here: the same pixels, or the same
    /// columns with the same categories; scaling and fills may differ.
    package func readsSameRows(as other: FeatureSchema) -> Bool {
        switch (layout, other.layout) {
        case (.image(let ours), .image(let theirs)):
            ours.shape == theirs.shape
        case (.table(let ours), .table(let theirs)):
            ours.target == theirs.target
                && ours.columns.count == theirs.columns.count
                && zip(ours.columns, theirs.columns).allSatisfy {
                    $0.name == $1.name && $0.type == $1.type && $0.categories == $1.categories
                }
        default:
            false
        }
    }
}
