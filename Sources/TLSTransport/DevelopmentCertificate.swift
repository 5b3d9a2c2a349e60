internal import Files
internal import Glibc

/// A certificate for trying things out, with an authority of its own that clients can be given.
///
/// The authority's private key is never written: it signs one certificate and is forgotten, so
/// that nobody can sign others that our users' machines would trust. When the certificate nears
/// its end, or is to be for other names, both are made anew.
package struct DevelopmentCertificate: Sendable, Equatable {
    /// The authority's certificate in PEM: what clients are told to trust.
    package let authorityFile: String
    /// The server's certificate in PEM.
    package let certificateFile: String
    /// The server's private key in PEM, readable by its owner only.
    package let keyFile: String
    /// The last second of validity, Unix time.
    package let notAfter: Int64
    /// Why the files were made now; nil when those that were there are still good.
    package let made: Reason?

    /// Why the files were made.
    package enum Reason: String, Sendable {
        /// There were none.
        case missing
        /// They could not be read, or did not fit together.
        case unusable
        /// They had ended or were about to.
        case expiring
        /// They were for other names.
        case namesChanged = "names_changed"
    }

    /// Whether the files are to be made anew before they end.
    package func isDue(now: Int64) -> Bool { notAfter - now < Self.renewalSeconds }

    /// Makes the files unless there are good ones.
    ///
    /// A crash or a full disk in the middle leaves files that do not fit together; the next call
    /// sees that and makes them anew. Two processes take turns by a lock.
    ///
    /// - Parameters:
    ///   - folder: Where `ca.pem`, `server.pem` and `server.key` are; made when missing.
    ///   - names: DNS names and addresses besides `localhost`, `127.0.0.1` and `::1`.
    ///   - now: Unix time in seconds.
    /// - Returns: The files, and whether they were made now.
    /// - Throws: ``TLSError/settingRefused(name:reason:)`` for a bad name,
    ///   ``TLSError/folderUnusable(path:reason:)``, ``TLSError/libraryFailed(operation:reason:)``.
    package static func ensure(
        in folder: String,
        names: [String] = [],
        now: Int64
    ) throws(TLSError) -> DevelopmentCertificate {
        let names = try checked(ownNames + names)
        do {
            try Folder.make(folder, mode: 0o700)
            let turn = try OpenFile("\(folder)/lock", flags: O_RDWR | O_CREAT)
            try turn.lock(waiting: true)
            return try ensureInTurn(folder, names, now)
        } catch let error as FileError {
            throw .folderUnusable(path: folder, reason: error.description)
        } catch let error as TLSError {
            throw error
        } catch {
            throw .folderUnusable(path: folder, reason: "\(error)")
        }
    }

    private static func ensureInTurn(
        _ folder: String,
        _ names: [String],
        _ now: Int64
    ) throws -> DevelopmentCertificate {
        let files = Files(folder: folder)
        let (reason, present) = judge(files, names, now)
        var notAfter = present
        if reason != nil {
            let maker = try CertificateMaker(names: names, now: now)
            // The key first: until the certificate follows, the two do not fit, and are replaced.
            try WholeFile.replace(files.key, maker.keyPEM(), mode: 0o600)
            try WholeFile.replace(files.certificate, maker.certificatePEM())
            try WholeFile.replace(files.authority, maker.authorityPEM())
            notAfter = maker.notAfter
        }
        return DevelopmentCertificate(
            authorityFile: files.authority,
            certificateFile: files.certificate,
            keyFile: files.key,
            notAfter: notAfter,
            made: reason
        )
    }

    /// Whether the files have to be made, and why; and the end of those that are there.
    private static func judge(
        _ files: Files,
        _ names: [String],
        _ now: Int64
    ) -> (reason: Reason?, notAfter: Int64) {
        if !Folder.exists(files.certificate) { return (.missing, 0) }
        guard
            let authority = try? PEMFile(files.authority, "authority").certificates().first,
            let certificate = try? PEMFile(files.certificate, "certificate").certificates().first,
            let key = try? PEMFile(files.key, "private key").privateKey(),
            certificate.belongs(to: key), certificate.isSigned(by: authority)
        else { return (.unusable, 0) }
        let notAfter = min(certificate.notAfter, authority.notAfter)
        if notAfter - now < renewalSeconds { return (.expiring, notAfter) }
        if certificate.notBefore > now { return (.unusable, notAfter) }
        let isSame = Set(certificate.names.map { $0.lowercased() }) == Set(names)
        return (isSame ? nil : .namesChanged, notAfter)
    }

    /// Lower case, canonical addresses, no name twice; nothing that could be read as more than
    /// one name.
    private static func checked(_ names: [String]) throws(TLSError) -> [String] {
        var result: [String] = []
        for name in names {
            let canonical = CertificateMaker.canonicalAddress(name) ?? name.lowercased()
            guard CertificateMaker.isName(canonical) else {
                throw .settingRefused(
                    name: "certificate name \"\(name)\"",
                    reason: "it is neither a DNS name nor an address"
                )
            }
            if !result.contains(canonical) { result.append(canonical) }
        }
        return result
    }

    private struct Files {
        let authority: String
        let certificate: String
        let key: String

        init(folder: String) {
            authority = "\(folder)/ca.pem"
            certificate = "\(folder)/server.pem"
            key = "\(folder)/server.key"
        }
    }

    private static let ownNames = ["localhost", "127.0.0.1", "::1"]
    private static let renewalSeconds: Int64 = 30 * 86_400
}
