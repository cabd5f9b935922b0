// mqtt.js over whatever transport the address names. Prints "subscribed", then a JSON line for each message; with a
// third argument it publishes that as "from mqtt.js" once it is subscribed. Ends with standard input.
//   node mqtt.js ws://127.0.0.1:2884/mqtt TOPIC [PAYLOAD]
'use strict';
const mqtt = require('mqtt');
const [address, topic, payload] = process.argv.slice(2);
const client = mqtt.connect(address, { reconnectPeriod: 0, protocolVersion: Number(process.env.MQTT_VERSION || 4) });
client.on('error', (error) => { console.log(`error ${error.message}`); process.exit(1); });
client.on('connect', () => client.subscribe(topic, { qos: 1 }, (error) => {
  console.log(error ? `error ${error.message}` : 'subscribed');
  if (payload !== undefined) client.publish(topic, payload, { qos: 1 }, () => console.log('published'));
}));
client.on('message', (name, message, packet) =>
  console.log(JSON.stringify({ topic: name, payload: message.toString(), qos: packet.qos, retain: packet.retain })));
client.on('close', () => process.exit(0));
process.stdin.on('end', () => client.end()).resume();
