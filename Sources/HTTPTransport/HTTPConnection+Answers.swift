internal import NIOCore
internal import TLSTransport
internal import Telemetry

// MARK: - One request

extension HTTPConnectionHandler {
    func headArrived(_ head: consuming HTTPRequestHead) {
        machine.headComplete(now: now.uptimeNanoseconds)
        var request = HTTPRequest(
            head: head,
            identifiers: &services.identifiers,
            connection: connectionFacts,
            numberOnConnection: machine.requestCount,
            now: now
        )
        services.metrics.tally.addActive(1)
        let admission = services.responder.admit(request)
        switch admission {
        case .reject(let response):
            answerUnread(request, response)
        case .accept(let bodyBytesMax, let route, let isVital):
            request.route = route
            request.bodyBytesMax = bodyBytesMax
            if !isVital, let reason = services.reasonToShed(at: now) {
                return shed(request, reason)
            }
            accept(consume request, bodyBytesMax: bodyBytesMax)
        }
    }

    private func accept(_ request: consuming HTTPRequest, bodyBytesMax: Int) {
        let waits = request.head.facts.expectation == .continueFirst && request.head.hasBody
        do throws(RequestRejection) {
            guard request.head.facts.expectation != .unknown else {
                throw .unsupportedExpectation
            }
            guard (request.head.contentLength ?? 0) <= bodyBytesMax else { throw .bodyTooLarge }
            let body = try BodyCollector(head: request.head, bytesMax: bodyBytesMax)
            exchange = Exchange(request: request, body: body)
        } catch {
            services.metrics.count(error)
            return answerUnread(
                request,
                ResponseWriter.response(to: error, request)
            )
        }
        reader.bodyBytesMax = bodyBytesMax
        guard waits, inbound.readableBytes == 0 else { return }
        prepareOutbound()
        outbound.writeStaticString(ResponseWriter.continueLine)
    }

    /// Answers a request that there is no time or room for; the connection goes on.
    private func shed(_ request: HTTPRequest, _ reason: ShedReason) {
        services.metrics.count(.overloaded)
        services.metrics.countShed(reason)
        answerUnread(request, ResponseWriter.response(to: .overloaded, request))
    }

    /// Answers a request whose body has not been looked at.
    private func answerUnread(_ request: HTTPRequest, _ response: HTTPResponse) {
        let head = request.head
        let waits = head.facts.expectation != .none && head.hasBody
        var facts = ConnectionStateMachine.AnswerFacts()
        // A client that waits for 100 may send the body now or not, so its end cannot be told.
        facts.unreadBodyBytes = head.isChunked || waits ? nil : head.contentLength ?? 0
        answer(request, response, facts)
        reader.bodyBytesMax = head.contentLength ?? 0
    }

    func bodyArrived(_ piece: ByteBuffer) {
        machine.bodyProgressed(bytes: piece.readableBytes, now: now.uptimeNanoseconds)
        do throws(RequestRejection) {
            // Without an exchange, the body is one that is being dropped.
            try exchange?.body.append(piece)
        } catch {
            reject(error, framingLost: true)
        }
    }

    func bodyEnded() {
        machine.bodyComplete(now: now.uptimeNanoseconds)
        guard var exchange = exchange.take() else { return }
        do throws(RequestRejection) {
            exchange.request.body = try exchange.body.finish()
        } catch {
            services.metrics.count(error)
            return refuse(exchange.request, error, framingLost: false)
        }
        exchange.request.timing.bodyComplete = now
        services.metrics.observeRead(exchange.request.timing)
        respond(to: exchange.request)
    }

    private func respond(to request: HTTPRequest) {
        switch services.responder.respond(to: request) {
        case .now(let response):
            answer(request, response)
        case .later(let future, let abandon):
            abandonPending = abandon
            answerLater(request, future)
        }
    }

    private func answerLater(_ request: HTTPRequest, _ future: EventLoopFuture<HTTPResponse>) {
        pending = request
        services.pendingAnswers += 1
        future.hop(to: services.eventLoop).assumeIsolated().whenComplete { result in
            self.services.pendingAnswers -= 1
            // When the channel ended meanwhile, the request is recorded already.
            guard let request = self.pending.take() else { return }
            self.abandonPending = nil
            switch result {
            case .success(let response): self.answer(request, response)
            case .failure: self.answerFailure(request)
            }
            self.resume()
        }
    }

    private func answerFailure(_ request: HTTPRequest) {
        services.metrics.count(.responderFailed)
        answer(
            request,
            ResponseWriter.response(to: .responderFailed, request)
        )
    }
}

// MARK: - Answers

extension HTTPConnectionHandler {
    /// Answers a request that the transport refuses, understood or not.
    ///
    /// - Parameters:
    ///   - rejection: why.
    ///   - framingLost: where the next request begins is not known.
    func reject(_ rejection: RequestRejection, framingLost: Bool) {
        services.metrics.count(rejection)
        if let request = takeRequest() {
            return refuse(request, rejection, framingLost: framingLost)
        }
        var facts = ConnectionStateMachine.AnswerFacts()
        facts.framingLost = framingLost
        let name = RequestName.made(services.identifiers.next())
        let response = ResponseWriter.response(to: rejection, name: name, route: .other)
        let after = machine.answer(facts, now: now.uptimeNanoseconds)
        write(response, name: name, isHead: false, closes: true, after)
        services.metrics.count(
            method: .other,
            route: .other,
            status: response.status,
            nanoseconds: 0,
            requestBytes: 0,
            responseBytes: response.body.readableBytes
        )
        services.log(
            RequestRecord(
                request: nil,
                name: name,
                connection: connectionFacts,
                numberOnConnection: machine.requestCount + 1,
                route: .other,
                status: response.status,
                nanoseconds: 0,
                responseBytes: response.body.readableBytes,
                log: response.log
            )
        )
    }

    private func refuse(
        _ request: HTTPRequest,
        _ rejection: RequestRejection,
        framingLost: Bool
    ) {
        var facts = ConnectionStateMachine.AnswerFacts()
        facts.framingLost = framingLost
        let response = ResponseWriter.response(to: rejection, request)
        answer(request, response, facts)
    }

    /// Writes an answer, and does what follows it.
    func answer(
        _ request: HTTPRequest,
        _ response: HTTPResponse,
        _ known: ConnectionStateMachine.AnswerFacts = .init()
    ) {
        var facts = known
        facts.clientAsksToClose = request.head.facts.asksToClose
        facts.responseCloses = response.closesConnection || services.endsConnections
        facts.hasMoreBytes = inbound.readableBytes > 0
        services.metrics.tally.addActive(-1)
        readClock()
        let after = machine.answer(facts, now: now.uptimeNanoseconds)
        let isHead = request.head.method == .head
        record(request, response)
        write(
            response,
            name: request.name,
            trace: request.traceResponse,
            isHead: isHead,
            closes: after.closes,
            after
        )
    }

    /// Counts and logs a request that is over.
    func record(_ request: HTTPRequest, _ response: HTTPResponse) {
        let nanoseconds = UInt64(max(0, (now - request.timing.headComplete).nanoseconds))
        let hasContent = response.status.allowsContent && request.head.method != .head
        let responseBytes = hasContent ? response.body.readableBytes : 0
        let route = response.route == .other ? request.route : response.route
        services.metrics.count(
            method: request.head.method,
            route: route,
            status: response.status,
            nanoseconds: nanoseconds,
            requestBytes: request.body.readableBytes,
            responseBytes: responseBytes,
            exemplar: services.trace(request, response, route, nanoseconds)
        )
        guard services.hasAccessLog else { return }
        services.log(
            RequestRecord(
                request: request,
                name: request.name,
                connection: request.connection,
                numberOnConnection: request.numberOnConnection,
                route: route,
                status: response.status,
                nanoseconds: nanoseconds,
                responseBytes: responseBytes,
                log: response.log
            )
        )
    }

    private func write(
        _ response: HTTPResponse,
        name: RequestName,
        trace: TraceContext? = nil,
        isHead: Bool,
        closes: Bool,
        _ after: ConnectionStateMachine.AfterAnswer
    ) {
        prepareOutbound()
        let common = services.commonLines(now)
        ResponseWriter.writeHead(
            response,
            name: name,
            trace: trace,
            common: common,
            closes: closes,
            to: &outbound
        )
        if !isHead, response.status.allowsContent { writeBody(response.body) }
        switch after {
        case .nextRequest, .discardBody: break
        case .close: closeAfterWriting()
        case .linger: lingerAfterWriting()
        }
    }

    private func writeBody(_ body: ByteBuffer) {
        guard body.readableBytes > ResponseWriter.copyBytesMax, let context else {
            outbound.writeImmutableBuffer(body)
            return
        }
        context.write(wrapOutboundOut(outbound), promise: nil)
        context.write(wrapOutboundOut(body), promise: nil)
        outbound = ByteBuffer()
        needsFlush = true
    }

    private func closeAfterWriting() {
        guard let context else { return }
        if let tls {
            let bytes = takeOutbound()
            tls.sendLast(bytes, lingering: !machine.clientEnds)
            return services.giveBack(bytes)
        }
        let written = context.eventLoop.makePromise(of: Void.self)
        written.futureResult.assumeIsolated().whenComplete { _ in context.close(promise: nil) }
        flushOutbound(written)
    }

    /// Ends our direction only, so that the client reads the answer before anything is reset.
    private func lingerAfterWriting() {
        guard let context else { return }
        inbound = ByteBuffer()
        let written = context.eventLoop.makePromise(of: Void.self)
        written.futureResult.assumeIsolated().whenComplete { _ in
            guard self.machine.state == .lingering else { return }
            context.close(mode: .output, promise: nil)
        }
        flushOutbound(written)
    }

    func prepareOutbound() {
        if outbound.capacity == 0 { outbound = services.takeScratch() }
    }

    /// Hands everything that was answered to the channel, in one write.
    func flushOutbound(_ promise: EventLoopPromise<Void>? = nil) {
        guard let context, outbound.readableBytes > 0 || needsFlush || promise != nil else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        let bytes = takeOutbound()
        let start = NIODeadline.now()
        if let tls {
            tls.send(bytes, promise: promise, now: promise == nil ? start : nil)
        } else {
            context.writeAndFlush(wrapOutboundOut(bytes), promise: promise)
        }
        services.metrics.observeWrite(since: start)
        services.giveBack(bytes)
    }

    private func takeOutbound() -> ByteBuffer {
        needsFlush = false
        var bytes = ByteBuffer()
        swap(&bytes, &outbound)
        return bytes
    }
}
