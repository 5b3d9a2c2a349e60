extension Dataset {
    /// Images with their classes, from two IDX files.
    ///
    /// - Parameters:
    ///   - images: One item per image, with the schema's shape.
    ///   - labels: One integer per image.
    ///   - schema: An image schema.
    ///   - classes: How many classes there are; labels are 0 up to, not including, this.
    ///   - source: What the files are; the digest of the images' file will do.
    /// - Returns: The rows, as bytes where the pixels are.
    /// - Throws: ``FeatureError/invalidData(problem:)`` when the files do not fit the schema, each
    ///   other, or the number of classes; ``FeatureError/invalidIDX(problem:)`` for float labels.
    package static func images(
        _ images: IDXFile,
        labels: IDXFile,
        schema: FeatureSchema,
        classes: Int,
        source: SourceIdentity
    ) throws(FeatureError) -> Dataset {
        guard let image = schema.image else {
            throw .invalidData(problem: "IDX images need an image schema")
        }
        let shape = Array(images.dimensions.dropFirst())
        let isFlat = shape.count == 1 && shape[0] == schema.rawWidth
        guard shape == image.shape || isFlat else {
            throw .invalidData(problem: "images of \(shape), the schema says \(image.shape)")
        }
        guard labels.dimensions.count == 1 else {
            throw .invalidData(problem: "labels have \(labels.dimensions.count) dimensions, not 1")
        }
        guard images.itemCount == labels.itemCount else {
            let counts = "\(images.itemCount) images but \(labels.itemCount) labels"
            throw .invalidData(problem: "there are \(counts): the files do not belong together")
        }
        let indices = try labels.integers()
        try check(indices, classes: classes)
        return try Dataset(
            values: images.element == .unsigned8
                ? .bytes(images.bytes, offset: images.offset) : .floats(images.floats()),
            labels: .classes(indices),
            rowWidth: schema.rawWidth,
            source: source
        )
    }

    private static func check(_ labels: [Int32], classes: Int) throws(FeatureError) {
        guard (2...FeatureSchema.classesMax).contains(classes) else {
            let problem = "\(classes) classes: there must be 2 to \(FeatureSchema.classesMax)"
            throw .invalidData(problem: problem)
        }
        let wrong = labels.count { $0 < 0 || $0 >= classes }
        guard wrong == 0 else {
            let first = labels.firstIndex { $0 < 0 || $0 >= classes } ?? 0
            let example = "the first is \(labels[first]) in row \(first)"
            let problem = "\(wrong) labels are not among \(classes) classes: \(example)"
            throw .invalidData(problem: problem)
        }
    }
}
