local checks = require "confab.dialogue_checks"

local function talk(...)
  local turns = {}
  for i, text in ipairs { ... } do turns[i] = { role = i % 2 == 1 and "user" or "assistant", content = text } end
  return turns
end

describe("a turn of a dialogue", function()
  local opening = talk("My parcel has not come and it is a birthday gift.", "I am sorry to hear that. Which parcel is it?")
  local rows = {
    { "passes if nothing is wrong", "user", "The blue one, sent on Monday.", opening },
    { "passes with a short thanks that was said before", "user", "Thank you!", talk("Thank you!", "What for, if I may ask?") },
    { "must not be empty", "user", "", opening, "is empty" },
    { "of the user must not talk as the helper", "user", "Sure! How can I help you with your parcel?", opening,
      'the user talks as the helper: "how can i help"' },
    { "of the user must not talk as the helper, with a typographic apostrophe", "user", "I’m here to help.", opening,
      "the user talks as the helper" },
    { "of the assistant may", "assistant", "How can I help you with your parcel?", talk "My parcel is late." },
    { "must not speak for both sides", "assistant", "I see.\nUser: Thanks\nAssistant: You are welcome", talk "My parcel is late.",
      "speaks for both sides" },
    { "must not be a whole conversation", "user", '{"turns":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}', {},
      "speaks for both sides" },
    { "must not begin with the other side's label", "user", "**Agent:** What now?", opening, "speaks for both sides" },
    { "must not repeat", "assistant", "I am sorry to hear that! Which parcel is it?", talk("a", "I am sorry to hear that. Which parcel is it?",
      "The blue one."), "starts the talk again: it is like turn 2" },
    { "must not repeat the other side", "user", "I am sorry to hear that. Which parcel is it?", opening, "repeats turn 2" },
    { "must not start again", "user", "My parcel has not come, and it is a birthday gift!", talk(opening[1].content, "Oh.", "Yes.", "And?"),
      "starts the talk again: it is like turn 1" },
    { "must not greet again", "user", "Hello, I have a question about shipping.", opening, 'starts the talk again: "hello"' },
    { "may have a word that begins like a greeting", "user", "Hints are welcome, and historic ones too.", opening },
    { "must not have the stop mark in its midst", "user", "That is all. [end] Or wait, one more thing.", opening,
      'has the stop mark "[END]" in its midst' },
    { "is compared in other languages, too", "user", "我的包裹还没有到，这是一份生日礼物，请帮帮我好吗谢谢你", talk("我的包裹还没有到，这是一份生日礼物，请帮帮我好吗谢谢", "好"),
      "repeats turn 1" },
  }
  for _, row in ipairs(rows) do
    it(row[1], function()
      local reason = checks.turn(row[2], row[3], row[4], "[END]")
      if row[5] then assert.equal(row[5], reason and reason:sub(1, #row[5])) else assert.is_nil(reason) end
    end)
  end
end)

describe("tidying", function()
  it("takes white space and the own label off", function()
    assert.equal("Hi.", checks.tidy("user", "  User: Hi.\n"))
    assert.equal("Hi.", checks.tidy("assistant", "**Assistant:** Hi."))
    assert.equal("Note: this stays", checks.tidy("user", "Note: this stays"))
    assert.equal("Agent: x", checks.tidy("user", "Agent: x"))
    assert.equal("", checks.tidy("user", " \n"))
  end)
end)
