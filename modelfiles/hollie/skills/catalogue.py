"""The catalogue of tools: what they are called, ask for and answer, and how people ask for them."""

from __future__ import annotations

import random
from dataclasses import dataclass

from .. import words
from ..phrase import Wordings
from . import arithmetic


@dataclass(frozen=True)
class Kind:
    """A family of tools: names, descriptions, parameters (name -> (type, description, filler)), requests, an answer."""

    names: Wordings
    descriptions: Wordings
    parameters: dict[str, tuple[str, str, words.Filler]]
    requests: Wordings
    response: dict[str, words.Filler]
    answer: str


def number(low: int, high: int) -> words.Filler:
    return lambda rng, split: str(rng.randint(low, high))


def one_of(*options: str) -> words.Filler:
    return lambda rng, split: rng.choice(options)


def message(rng: random.Random, split: str) -> str:
    return words.phrase(rng, split, 2, 5)


def expression(rng: random.Random, split: str) -> str:
    a, sign, b = arithmetic.numbers(rng, split, story=True)
    return f"{a * rng.choice((1, 1, 13, 101))} {rng.choice((sign, '/'))} {b * rng.choice((1, 7))}"


OK = one_of("ok", "done")
KINDS = {
    "weather": Kind(
        Wordings(
            ("get_weather", "weather", "get_current_weather", "current_weather", "fetch_weather", "weather_lookup"),
            ("lookup_weather", "get_the_weather"),
        ),
        Wordings(
            ("Get the (current )?weather (for|of|in) a city", "Returns the weather of a (city|place)",
             "Tells the weather"),
            ("Get the weather of a place", "Tells the weather in a city"),
        ),
        {"city": ("string", "The name of the city", words.city)},
        Wordings(
            ("what is the weather (in|like in) {city}", "how is the weather in {city}",
             "what's the weather in {city}( today| now)?", "is it (raining|sunny|warm|cold) in {city}",
             "tell me the weather in {city}", "weather in {city}", "do i need an umbrella in {city}",
             "will it rain in {city}", "i travel to {city}, how is the weather", "what is the temperature in {city}",
             "how (warm|cold) is it in {city}", "check the weather for {city}", "weather for {city}",
             "(can|would|will) you (please |)(tell me|say|check|find out|look up|show me) (the weather "
             "(in|of|for)|how the "
             "weather is in|if it is (warm|cold|raining) in) {city}",
             "i (need|wonder about|ask for) the weather in {city}",
             "(what|how) is (the weather|it) (now|right now|this morning|tomorrow|outside) in {city}",
             "is it (hot|wet|dry|cold|windy) (and|or) (sunny|cloudy|dark|rainy) in {city}"),
            ("could you tell me the weather in {city}", "how is the weather today in {city}",
             "i want to know the weather in {city}", "is it warm or cold in {city}"),
        ),
        {"temperature": number(-15, 38), "condition": one_of("sunny", "cloudy", "rainy", "windy", "foggy", "snowy")},
            "It is {temperature} degrees and {condition} in {city}."),
    "time": Kind(
        Wordings(("get_time", "time", "get_current_time", "current_time", "clock"), ("time_now", "get_local_time")),
        Wordings(
            ("Get the (current )?time in a city", "Returns the( local)? time of a (city|place)", "Tells the time"),
            ("Get the time of a place", "Tells the local time in a city"),
        ),
        {"city": ("string", "The name of the city", words.city)},
        Wordings(
            ("what time is it in {city}", "what is the time in {city}", "tell me the time in {city}",
             "how late is it in {city}", "time in {city}", "which time is it in {city}",
             "do you know the time in {city}", "current time in {city}", "i need the time in {city}",
             "get the time for {city}",
             "(what|which) time (do they have|is it right now|is it just now|is it by now) in "
             "{city}", "(can|would|will) you (please |)(tell me|say|check|find out|look up) (the time|what time it "
             "is|how late "
             "it is) in {city}", "i (need to know|wonder about|ask for|would like to know) (the time|what time it "
             "is) in "
             "{city}", "how late is it (now|by now|right now) in {city}"),
            ("could you tell me what time it is in {city}", "what time is it now in {city}",
             "i want to know the time in {city}"),
        ),
        {"time": words.clock}, "It is {time} in {city}."),
    "calculator": Kind(
        Wordings(("calculator", "calculate", "compute", "math", "evaluate"), ("do_math", "calculate_expression")),
        Wordings(
            ("(Calculate|Evaluate|Compute)( the value of)? an expression", "A calculator", "Does arithmetic"),
            ("Compute an arithmetic expression", "Calculates an expression"),
        ),
        {"expression": ("string", "The expression to evaluate", expression)},
        Wordings(
            ("what is {expression}", "calculate {expression}", "compute {expression}", "how much is {expression}",
             "{expression}", "tell me {expression}", "solve {expression}", "work out {expression}",
             "use the calculator for {expression}", "evaluate {expression}", "i need {expression}",
             "(can|would|will) you (please |)(calculate|compute|solve|work out|tell me|find) {expression}",
             "(tell|show|give) me (the (result|answer|value) of|how much) {expression}( is| makes)?",
             "i (need to|would like to|must|have to) (know|have|get) (what |the result of |the value of "
             "|){expression}( is)?",
             "(say|find out|show me|let me know) what {expression} (is|gives|makes)",
             "what does {expression} (give|make)",
             "the (value|result) of {expression}"),
            ("could you calculate {expression}", "tell me what {expression} is",
             "i want to know the value of {expression}"),
        ),
        {"result": number(0, 9999)}, "The result is {result}."),
    "search": Kind(
        Wordings(
            ("search", "web_search", "search_web", "google", "find", "lookup"),
            ("internet_search", "search_the_web"),
        ),
        Wordings(
            ("Search the (web|internet)", "Searches the web for a query", "Finds pages (on|in) the (web|internet)"),
            ("Search for pages on the internet", "Searches the internet"),
        ),
        {"query": ("string", "What to search for", message)},
        Wordings(
            ("search (the web |the internet )?for {query}", "search for {query}", "look up {query}",
             "google {query}", "find (something|pages|information) about {query}", "please search {query}",
             "search: {query}", "can you search for {query}", "look for {query} on the web",
             "do a web search for {query}", "(can|would|will) you (please |)(look up|google|find|search the web for) "
             "{query}", "(find|get|show|bring) (me |us |)(pages|something|some news|a page|some text) "
             "(on|about|for|with) "
             "{query}", "i (need|want|would like) (you |)to (search for|find|google|read about) {query}",
             "(search|look on|ask) the (internet|net|web) (about|and find|for pages about) {query}"),
            ("could you search the internet for {query}", "find me some pages about {query}",
             "i want you to look up {query}"),
        ),
        {"title": message}, "I found: {title}."),
    "light": Kind(
        Wordings(
            ("set_light", "switch_light", "light", "turn_light", "control_light", "lights"),
            ("change_light", "light_switch"),
        ),
        Wordings(
            ("(Turn|Switch) a light on or off", "Controls (the|a) light( in a room)?", "Switches the lights"),
            ("Switch the light in a room", "Turns lights on or off"),
        ),
        {"room": ("string", "The room", one_of("kitchen", "bathroom", "bedroom", "hall", "office", "garage", "garden",
            "cellar", "attic", "living room")), "state": ("string", "on or off", one_of("on", "off"))},
        Wordings(
            ("turn {state} the light in the {room}", "turn the {room} light {state}",
             "switch {state} the {room} light", "switch the light in the {room} {state}", "{room} light {state}",
             "lights {state} in the {room}", "turn {state} the {room} lights",
             "make the light in the {room} go {state}", "please turn {state} the lights in the {room}",
             "can you switch {state} the light in the {room}",
             "i (need|would like|wish) the {room} (light|lights) {state}",
             "(can|would|will) you (please |)(turn|switch|put) (the |)({room} (light|lights) {state}|(light|lights) "
             "{state} in "
             "the {room}|(light|lights) in the {room} {state})",
             "(turn|put|set|switch) the lights in the {room} to {state}",
             "i want the (light|lights) in the {room} {state}", "light {state} in the {room}"),
            ("could you turn the light in the {room} {state}", "switch {state} the lights in the {room}",
             "i want the {room} light {state}"),
        ),
        {"status": OK}, "The {room} light is {state}."),
    "timer": Kind(
        Wordings(("set_timer", "timer", "start_timer", "new_timer", "countdown"), ("create_timer", "run_timer")),
        Wordings(
            ("(Set|Start) a timer", "Starts a timer for some minutes", "Rings after some minutes"),
            ("Start a timer for minutes", "Sets a new timer"),
        ),
        {"minutes": ("integer", "Minutes until it rings", number(1, 120))},
        Wordings(
            ("set a timer for {minutes} minutes", "start a timer of {minutes} minutes", "timer {minutes} minutes",
             "wake me in {minutes} minutes", "set the timer to {minutes} minutes", "remind me in {minutes} minutes",
             "i need a {minutes} minute timer", "start a {minutes} minute timer", "ring in {minutes} minutes",
             "count down {minutes} minutes",
             "i (want|need|would like) (a|the|to have a) timer (of|at|set to) {minutes} "
             "minutes", "(can|would|will) you (please |)(set|start|run|make|begin) (a|the|my) timer (for|of|with) "
             "{minutes} "
             "minutes", "(begin|run|make|create|give me) a timer (for|of|with) {minutes} minutes"),
            ("could you set a timer of {minutes} minutes", "please start a timer for {minutes} minutes",
             "i want a timer for {minutes} minutes"),
        ),
        {"status": OK}, "The timer is set to {minutes} minutes."),
    "email": Kind(
        Wordings(("send_email", "email", "mail", "send_mail", "write_email"), ("new_email", "mail_send")),
        Wordings(
            ("(Send|Write) an email", "Sends (a|an) (mail|email) to a person", "Sends mail"),
            ("Send a mail to a person", "Writes an email"),
        ),
        {"to": ("string", "The address", words.email), "text": ("string", "The text", message)},
        Wordings(
            ("send an email to {to}: {text}", "write an email to {to}: {text}", "email {to} the text '{text}'",
             "send '{text}' to {to}", "mail {to}: {text}", "tell {to} by mail: {text}",
             "send {to} an email saying '{text}'", "write to {to} that {text}",
             "send a mail to {to} with the text '{text}'",
             "(can|would|will) you (please |)(send|write) (an email|a mail) to "
             "{to} (saying|with|that says) '{text}'", "(can|would|will) you (please |)(mail|email|write) {to}: {text}",
             "(mail|email|deliver) '{text}' to {to}", "i (want|need|would like) to (write|mail|send) '{text}' to {to}"),
            ("could you send an email to {to} saying '{text}'", "could you mail {to}: {text}",
             "write '{text}' to {to}"),
        ),
        {"status": OK}, "The email to {to} is sent."),
    "temperature": Kind(
        Wordings(
            ("set_thermostat", "set_temperature", "heating", "thermostat", "control_heating"),
            ("change_temperature", "set_heating"),
        ),
        Wordings(
            ("Set the (temperature|heating) of a room", "Controls the (heating|thermostat)",
             "Changes the temperature of a room"),
            ("Set the heating in a room", "Changes the thermostat"),
        ),
        {"room": ("string", "The room", one_of("kitchen", "bathroom", "bedroom", "hall", "office", "garage", "cellar",
            "attic", "living room")), "degrees": ("integer", "Degrees", number(5, 30))},
        Wordings(
            ("set the {room} to {degrees} degrees", "heat the {room} to {degrees} degrees",
             "make the {room} {degrees} degrees warm", "set the temperature in the {room} to {degrees}",
             "set the heating in the {room} to {degrees} degrees", "i want {degrees} degrees in the {room}",
             "thermostat {room} {degrees}", "the {room} should have {degrees} degrees",
             "turn the heating in the {room} to {degrees}",
             "(can|would|will) you (please |)(heat|bring|set) the {room} to "
             "{degrees} degrees", "i (need|would like) the {room} (at|to be|to get to) {degrees} degrees",
             "(set|put|change|turn) the (temperature|heat|heating) (for|in) the {room} (at|to) {degrees}( degrees)?",
             "(keep|get|bring) the {room} (at|to) {degrees} degrees", "i want the {room} (at|to be) {degrees} degrees"),
            ("could you heat the {room} to {degrees} degrees",
             "please set the temperature of the {room} to {degrees} degrees",
             "i want the {room} to have {degrees} degrees"),
        ),
        {"status": OK}, "The {room} is set to {degrees} degrees."),
    "reminder": Kind(
        Wordings(
            ("add_reminder", "create_reminder", "reminder", "remind", "add_event", "calendar"),
            ("new_reminder", "set_reminder"),
        ),
        Wordings(
            ("(Add|Create) a reminder", "Reminds of something at a time", "Adds an event to the calendar"),
            ("Create a new reminder", "Reminds at a time"),
        ),
        {"text": ("string", "What to remember", message), "time": ("string", "When, as HH:MM", words.clock)},
        Wordings(
            ("remind me at {time}: {text}", "remind me of {text} at {time}", "add a reminder for {time}: {text}",
             "set a reminder at {time}: {text}", "at {time} remind me to {text}",
             "create a reminder '{text}' at {time}", "reminder {time}: {text}",
             "do not let me forget {text} at {time}", "put '{text}' in the calendar at {time}",
             "(can|would|will) you (please |)remind me (at {time} (of|about) '{text}'|(of|about) '{text}' at {time})",
             "(make|create|add|set) (me |)a reminder (for|at) {time}(:| of| about| with) '{text}'",
             "i (need|would like|must have) (a|one) reminder (for|at) {time}: {text}",
             "(at|for) {time} (add|set|make) (a|the) reminder '{text}'"),
            ("could you remind me at {time} of '{text}'", "please add a reminder '{text}' at {time}",
             "i want a reminder at {time}: {text}"),
        ),
        {"status": OK}, "I will remind you at {time}."),
    "music": Kind(
        Wordings(("play_music", "play", "play_song", "music", "player"), ("start_music", "music_player")),
        Wordings(
            ("Play( a song or)? music", "Plays music (of|by) an artist", "Plays a song"),
            ("Plays the music of an artist", "Play a song by an artist"),
        ),
        {"artist": ("string", "Who plays", words.full_name)},
        Wordings(
            ("play (music|something|a song|songs) by {artist}", "play {artist}", "i want to hear {artist}",
             "put on {artist}", "start music by {artist}", "let me hear {artist}", "play some {artist}",
             "music by {artist} please",
             "(can|would|will) you (please |)(play|put on|start) (a song|music|something|songs) "
             "(by|of|from) {artist}",
             "i (would love|want|need) to (hear|listen to|play) (something|a song|music|songs) (by|of|"
             "from) {artist}", "(something|a song|songs) (by|of|from) {artist}", "(let us|we want to) hear {artist}"),
            ("could you play a song by {artist}", "could you play music by {artist}",
             "i would like to hear something by {artist}"),
        ),
        {"status": one_of("playing")}, "Now playing {artist}."),
    "stock": Kind(
        Wordings(("get_stock_price", "stock_price", "stock", "get_price", "quote"), ("get_quote", "price_of_stock")),
        Wordings(
            ("Get the price of a (stock|share)", "Returns the stock price of a company", "Tells the price of a stock"),
            ("Get the stock price of a company", "Tells the price of a share"),
        ),
        {"company": ("string", "The company", lambda rng, split: words.made_up(rng, split).capitalize())},
        Wordings(
            ("what is the stock price of {company}", "how much is a share of {company}", "price of {company} stock",
             "what does a share of {company} cost", "how is {company} stock", "get the stock price for {company}",
             "tell me the price of {company} shares", "{company} stock price",
             "(can|would|will) you (please |)(tell me|say|check|find|look up) (the (stock |share |)price of|what a "
             "share "
             "costs of) {company}", "i (need|would like to know|ask for) the (stock |share |)price of {company}",
             "what (is|was) the price of (a share of|one share of|a stock of) {company}",
             "what is a {company} share (worth|now)"),
            ("could you tell me the stock price of {company}", "what is the price of a {company} share",
             "i want to know the stock price of {company}"),
        ),
        {"price": number(1, 900)}, "The price of {company} is {price}."),
    "book": Kind(
        Wordings(
            ("book_table", "reserve_table", "book", "reservation", "make_reservation"),
            ("table_booking", "new_reservation"),
        ),
        Wordings(
            ("(Book|Reserve) a table( in a restaurant)?", "Books a table for some people", "Makes a reservation"),
            ("Reserve a table for people", "Makes a reservation in a restaurant"),
        ),
        {"restaurant": ("string", "The restaurant", lambda rng, split: words.made_up(rng, split).capitalize()),
            "people": ("integer", "How many people", number(1, 12))},
        Wordings(
            ("book a table at {restaurant} for {people}( people)?", "reserve a table for {people} at {restaurant}",
             "i need a table for {people} at {restaurant}", "a table for {people} people at {restaurant} please",
             "get us a table for {people} in {restaurant}", "make a reservation at {restaurant} for {people}",
             "book {restaurant} for {people} people",
             "(can|would|will) you (please |)(book|reserve|get) a table (at|in) "
             "{restaurant} for {people}( people)?",
             "(can|would|will) you (please |)(book|reserve) a table for {people} "
             "(at|in) {restaurant}",
             "i (need|would like|want to book|want to have) (a|one) table (at|in) {restaurant} for "
             "{people}( people)?", "(reserve|get) (us |me |)a table (in|at) {restaurant} for {people}"),
            ("could you book a table for {people} people at {restaurant}",
             "please reserve a table at {restaurant} for {people} people",
             "i want a table at {restaurant} for {people}"),
        ),
        {"status": OK}, "A table for {people} at {restaurant} is booked."),
}
