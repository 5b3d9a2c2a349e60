/// The function a layer applies to each of its sums.
package enum Activation: String, Sendable, Codable, CaseIterable {
    /// z
    case identity
    /// max(z, 0)
    case relu
    /// z where positive, else 0.01 z
    case leakyReLU = "leaky_relu"
    /// The hyperbolic tangent.
    case tanh
    /// 1 / (1 + exp(-z))
    case sigmoid
    /// z Φ(z) by the error function: the exact form, as PyTorch's and Keras' default.
    case gelu

    /// Whether weights before it start by He's rule (2015), made for functions that pass half.
    var startsByHe: Bool {
        switch self {
        case .relu, .leakyReLU, .gelu: true
        case .identity, .tanh, .sigmoid: false
        }
    }
}

/// What the numbers of the last layer mean, and so the loss that training lowers.
///
/// The last layer itself has the identity as its activation; its outputs are called logits.
package enum Head: String, Sendable, Codable, CaseIterable {
    /// One of at least two classes: softmax, with cross-entropy as the loss.
    case softmax
    /// Yes or no by one logit: sigmoid, with binary cross-entropy as the loss.
    case sigmoid
    /// The values themselves, with mean squared error as the loss.
    case linear
}
