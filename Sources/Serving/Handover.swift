internal import Synchronization

/// Carries one value that only one thread may use from where it is made to where it is used.
final class Handover<Value>: Sendable {
    private let value: Mutex<Value?>

    /// Takes a value that nobody else holds.
    init(_ value: consuming sending Value) { self.value = Mutex(value) }

    /// Gives the value to the first who asks.
    func take() -> sending Value? {
        value.withLock { held in
            let taken = held
            held = nil
            return taken
        }
    }
}
