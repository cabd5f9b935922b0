// The JSON protocol with ws, as a page in a browser would speak it. Prints "subscribed", then a JSON line for each
// message; with a third argument it publishes that once it is subscribed. Ends with standard input.
//   node ws.js ws://127.0.0.1:2884/ TOPIC [PAYLOAD]
'use strict';
const WebSocket = require('ws');
const [address, topic, payload] = process.argv.slice(2);
const socket = new WebSocket(address);
const send = (object) => socket.send(JSON.stringify(object));
socket.on('error', (error) => { console.log(`error ${error.message}`); process.exit(1); });
socket.on('open', () => send({ Action: 'subscribe', Topic: topic, Payload: '', Id: 1 }));
socket.on('message', (data) => {
  const message = JSON.parse(data);
  if (message.Action === 'ack' && message.Id === 1) {
    console.log('subscribed');
    if (payload !== undefined) send({ Action: 'publish', Topic: topic, Payload: payload, Id: 2 });
  } else if (message.Action === 'ack') {
    console.log('published');
  } else {
    console.log(JSON.stringify(message));
  }
});
socket.on('close', (code) => { console.log(`closed ${code}`); process.exit(0); });
process.stdin.on('end', () => socket.close(1000)).resume();
