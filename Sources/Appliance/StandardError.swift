/// Words for a person at the terminal, from the command line's own code.
package enum StandardError {
    /// Writes a text; a closed terminal is no reason to stop.
    package static func write(_ text: String) { Console.standardError.write(text) }
}
