"""Runs one official Python client against a gateway until it has heard enough: python-clients.py NAME PORT.

Prints the prices of ten trades (of OpenAlgo: of ten messages of its mode LTP), one a line. The packages are those that are
installed; nothing of them is changed.
"""
import sys
import threading

WANTED = 10
name, port = sys.argv[1], sys.argv[2]
gateway = f"ws://127.0.0.1:{port}"
done = threading.Event()
heard = []


def hear(price):
    heard.append(price)
    if len(heard) >= WANTED:
        done.set()


def in_background(run):
    threading.Thread(target=run, daemon=True).start()


def alpaca():
    from alpaca.data.live import CryptoDataStream

    stream = CryptoDataStream("any", "any", url_override=gateway + "/alpaca/v1beta3/crypto/us")

    async def on_trade(trade):
        hear(trade.price)

    stream.subscribe_trades(on_trade, "BTC/USD")
    in_background(stream.run)


def openalgo():
    from openalgo.feed import FeedAPI

    feed = FeedAPI("any", host=f"http://127.0.0.1:{port}/openalgo", ws_url=gateway + "/openalgo")
    assert feed.connect(), "was not let in"
    coin = [{"exchange": "CRYPTO", "symbol": "BTC/USD"}]
    feed.subscribe_ltp(coin, on_data_received=lambda message: hear(message["data"]["ltp"]))


def massive():
    from massive import WebSocketClient

    client = WebSocketClient(
        api_key="any",
        feed=f"127.0.0.1:{port}/polygon",
        market="crypto",
        secure=False,
        subscriptions=["XT.BTC-USD"],
    )
    in_background(lambda: client.run(lambda messages: [hear(one.price) for one in messages]))


{"alpaca": alpaca, "openalgo": openalgo, "massive": massive}[name]()
print("ready", flush=True)
assert done.wait(60), f"only {len(heard)} came"
print(*heard[:WANTED], sep="\n", flush=True)
# Threads of the clients have no end of their own.
import os

os._exit(0)
