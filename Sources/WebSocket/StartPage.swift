// What a person sees who opens this port in a browser. Sent by the handshake for `GET /`.

enum StartPage {
    static let html = """
        <!doctype html>
        <html lang="en">
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width">
        <title>Apus</title>
        <style>
        body { font: 16px/1.5 system-ui, sans-serif; max-width: 42em; margin: 3em auto; padding: 0 1em }
        pre { background: #8882; padding: 1em; overflow: auto }
        :root { color-scheme: light dark }
        </style>
        <h1>Apus, an MQTT broker</h1>
        <p>This port speaks WebSocket. Nothing else is served here.</p>
        <p>MQTT clients connect with the subprotocol <code>mqtt</code>. Without a subprotocol, each text
        message is one JSON object:</p>
        <pre>
        const socket = new WebSocket(location.origin.replace("http", "ws"))
        socket.onmessage = event => console.log(event.data)
        socket.onopen = () => {
            socket.send('{"Action":"subscribe","Topic":"a/+"}')
            socket.send('{"Action":"publish","Topic":"a/b","Payload":"text"}')
        }
        </pre>
        </html>

        """
}
