// The router tells how far the streams of a listener have gone whose process died, and holds its own back meanwhile.

import EventLoop
import Messages
import Testing

@testable import Router

@Suite struct StreamTests {
    @Test func aQuestionIsAnsweredToTheByteAndHoldsTheStreamBack() throws {
        var bench = try RouterBench()
        bench.connect(0, 1, "publisher")
        bench.connect(1, 2, "subscriber")
        bench.subscribe(1, 2, "t", qos: 0)
        bench.settle()
        let received = bench.router.links[1].received
        let frame = DisconnectedFrame(
            slot: 9, generation: 9, reasonCode: 0, publishWill: false, sessionExpiry: nil
        ).encoded()
        bench.whisper(1, frame)

        try bench.command(StreamQuestion(worker: 101))
        let answer = try bench.report(StreamAnswer.self)
        #expect(answer.exists && answer.worker == 101)
        #expect(answer.taken == received + UInt64(frame.count))
        #expect(answer.put == bench.router.links[1].produced && answer.put == UInt64(bench.underWay(1)))

        bench.publish(0, 1, "t", "later")
        bench.settle()
        #expect(bench.underWay(1) == Int(answer.put))
        // The others go on.
        bench.publish(0, 1, "t", "later", qos: 1, identifier: 5)
        let answers = bench.answers(0)
        #expect(answers == [Entry(4, 1, 5)])

        try bench.command(StreamGo(worker: 101))
        let delivered = try deliveries(bench.hear(1)).map(\.payload)
        #expect(delivered == ["later", "later"])
    }

    @Test func noChannelIsAnAnswerToo() throws {
        var bench = try RouterBench()
        try bench.command(StreamQuestion(worker: 7))
        let answer = try bench.report(StreamAnswer.self)
        #expect(answer == StreamAnswer(worker: 7, exists: false, taken: 0, put: 0))
    }
}
