// express with `cors`, as its README shows it.
import cors from 'cors';
import express from 'express';

const app = express();
app.use(cors({ origin: 'https://app.example.com', credentials: true }));
app.use(express.json());
app.get('/ping', (request, response) => response.send('pong'));
app.post('/mode', (request, response) => {
  if (typeof request.body?.mode !== 'string') {
    return response.status(422).json({ error: 'mode is missing' });
  }
  response.send(request.body.mode);
});
app.get('/panic', () => {
  throw new Error('secret');
});
app.get('/slow', () => {});
const server = app.listen(0, '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});
