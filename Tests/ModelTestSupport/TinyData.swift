package import Compression
internal import ModelStore
internal import NeuralNetwork
package import Retraining

/// Small data sets that a small network learns in no time.
package enum TinyData {
    /// The names of the three classes.
    package static let labels = ["top", "middle", "bottom"]
    /// The shape of an image.
    package static let shape = [3, 3]

    /// Images of 3 × 3 pixels, one after another: the line that is bright is the class.
    ///
    /// - Parameters:
    ///   - count: How many; the classes take turns.
    ///   - seed: Other seeds give other pixels.
    /// - Returns: Nine bytes an image.
    package static func pixels(_ count: Int, seed: Int = 1) -> [UInt8] {
        (0..<count * 9).map { index in
            let noise = noise(index, seed)
            return (index % 9) / 3 == (index / 9) % 3 ? 190 + noise : noise
        }
    }

    /// Even noise of 0 to 59, by the finalizer of splitmix64.
    private static func noise(_ index: Int, _ seed: Int) -> UInt8 {
        var word = UInt64(truncatingIfNeeded: index) &+ UInt64(seed) &* 0x9E37_79B9_7F4A_7C15
        word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
        return UInt8((word ^ (word >> 31)) % 60)
    }

    /// The classes of ``pixels(_:seed:)``.
    package static func classes(_ count: Int) -> [UInt8] { (0..<count).map { UInt8($0 % 3) } }

    /// An IDX file of images.
    package static func images(_ count: Int, seed: Int = 1) -> [UInt8] {
        idx([count, 3, 3], pixels(count, seed: seed))
    }

    /// An IDX file of labels.
    package static func labels(_ classes: [UInt8]) -> [UInt8] { idx([classes.count], classes) }

    /// An IDX file of bytes with the dimensions that are given, true or not.
    package static func idx(_ dimensions: [Int], _ values: [UInt8]) -> [UInt8] {
        let lengths = dimensions.flatMap { length in
            (0..<4).map { UInt8(truncatingIfNeeded: length >> (24 - 8 * $0)) }
        }
        return [0, 0, 8, UInt8(dimensions.count)] + lengths + values
    }

    /// A table: the target is 3 · width + 5 for colour red, less a little noise.
    package static func csv(_ count: Int) -> String {
        var text = "width,colour,price\n"
        for row in 0..<count {
            let width = (row * 37) % 101
            let colour = row % 2 == 0 ? "red" : "blue"
            text += "\(width),\(colour),\(3 * width + (row % 2 == 0 ? 5 : 0) + row % 3)\n"
        }
        return text
    }

    /// What `gzip` makes of bytes.
    ///
    /// - Throws: `CompressionError`.
    package static func packed(_ bytes: [UInt8]) throws(CompressionError) -> [UInt8] {
        try Gzip.compress(bytes)
    }

    /// A plan for the images: one hidden layer, few epochs, everything else as usual.
    package static func plan(
        model: String = "lines",
        train: RetrainingPlan.Source,
        test: RetrainingPlan.Source?
    ) -> RetrainingPlan {
        RetrainingPlan(
            model: model,
            task: .classification,
            labels: labels,
            input: .image(shape: shape, scale: 255, strict: false),
            hidden: [6],
            activation: .relu,
            // Enough for all three classes to be told apart.
            training: TrainingSettings(epochs: 6, batch: 8, learningRate: 0.02, seed: 3),
            train: train,
            test: test,
            holdout: 0.3,
            margin: 0,
            retention: Retention(keep: 10),
            decompressedBytesMax: 1 << 20
        )
    }
}
