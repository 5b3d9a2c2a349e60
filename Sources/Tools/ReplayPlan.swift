/// How a data set is sent as live traffic.
package struct ReplayPlan: Sendable {
    /// Where predictions are asked for, with the model in the query if there are several.
    package var url: String
    /// Certificate authorities of the server in PEM; nil for the system's.
    package var authorities: String?
    /// Whether `http://` is allowed.
    package var allowsPlaintext: Bool
    /// Requests a second, in all; nil for as fast as they are answered.
    package var requestsPerSecond: Double?
    /// Connections, each with a thread of its own.
    package var connections: Int
    /// Requests to send; nil sends each row once.
    package var requests: Int?
    /// Rows in a request.
    package var rowsPerRequest: Int
    /// What is done to each image first.
    package var shift: ImageShift
    /// Classes that are sent; empty sends all.
    package var classes: Set<Int32>
    /// The bearer token of the listener; nil for none.
    package var token: String?
    /// Seed of the order and of the noise.
    package var seed: UInt64

    /// Takes all parts.
    package init(
        url: String,
        authorities: String?,
        allowsPlaintext: Bool,
        requestsPerSecond: Double?,
        connections: Int,
        requests: Int?,
        rowsPerRequest: Int,
        shift: ImageShift,
        classes: Set<Int32>,
        token: String?,
        seed: UInt64
    ) {
        self.url = url
        self.authorities = authorities
        self.allowsPlaintext = allowsPlaintext
        self.requestsPerSecond = requestsPerSecond
        self.connections = connections
        self.requests = requests
        self.rowsPerRequest = rowsPerRequest
        self.shift = shift
        self.classes = classes
        self.token = token
        self.seed = seed
    }
}

/// A change of the world, as a camera would see it.
///
/// The shifts of "Failing Loudly" (Rabanser and others, 2019) in their simplest form.
package enum ImageShift: Sendable, Equatable {
    /// As they are.
    case none
    /// Turned by a quarter, clockwise.
    case rotate
    /// Dark for light.
    case invert
    /// Gaussian noise of this standard deviation, in pixel units.
    case noise(Float)
    /// Every pixel times this.
    case brightness(Float)

    /// Reads `rotate`, `invert`, `noise=30`, `brightness=0.5`.
    package init?(_ text: String) {
        let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
        let amount = parts.count == 2 ? Float(parts[1]) : nil
        switch (parts.first, parts.count, amount) {
        case ("none", 1, _): self = .none
        case ("rotate", 1, _): self = .rotate
        case ("invert", 1, _): self = .invert
        case ("noise", 2, .some(let amount)) where amount >= 0: self = .noise(amount)
        case ("brightness", 2, .some(let amount)) where amount >= 0: self = .brightness(amount)
        default: return nil
        }
    }

    /// Changes one image in place.
    ///
    /// - Parameters:
    ///   - pixels: Row-major, 0 to 255; the result is cut to that range.
    ///   - width: Pixels a line; the image is square for a rotation.
    ///   - random: Where the noise comes from.
    package func apply(
        to pixels: inout [Float],
        width: Int,
        random: inout some RandomNumberGenerator
    ) {
        switch self {
        case .none:
            return
        case .rotate:
            guard width > 0, width * width == pixels.count else { return }
            let before = pixels
            for row in 0..<width {
                for column in 0..<width {
                    pixels[row * width + column] = before[(width - 1 - column) * width + row]
                }
            }
        case .invert:
            for index in pixels.indices { pixels[index] = 255 - pixels[index] }
        case .noise(let deviation):
            for index in pixels.indices {
                pixels[index] += deviation * Self.normal(&random)
            }
        case .brightness(let factor):
            for index in pixels.indices { pixels[index] *= factor }
        }
        for index in pixels.indices {
            pixels[index] = min(255, max(0, pixels[index].rounded()))
        }
    }

    /// A sum of twelve uniforms less six: near enough to normal for noise on pixels.
    private static func normal(_ random: inout some RandomNumberGenerator) -> Float {
        (0..<12).reduce(Float(-6)) { sum, _ in sum + Float.random(in: 0..<1, using: &random) }
    }
}
