// In the build that tests roll to (`make variant`), and in no other: a message that ends the router that routes it.

#if APUS_LAYOUT_VARIANT
    import Messages

    extension Router {
        func trap(_ message: Outgoing) {
            let topic = message.bytes.extracting(0..<message.topicLength).array
            if topic == Array("apus/trap".utf8) { fatalError("a message to apus/trap") }
        }
    }
#endif
