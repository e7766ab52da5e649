// Package facebook connects one Facebook page by Messenger: the Graph API and its
// webhooks, by plain HTTP.
//
// # In
//
// One app has one callback URL for all its pages: every call goes to
// /connector/facebook/webhook, belongs to the channels whose pages its entries name,
// and is signed over its raw bytes with the app's secret. A page that is not answered
// for an hour is unsubscribed, so a genuine call of a page that nobody has here is
// answered with 200 all the same. Events come again for 36 hours, in any order.
//
//	text                      text
//	attachment                one file event each, the text beside the first
//	sticker                   file, once, also where it is told as an image as well
//	location                  location
//	shared link               text: what was written, the title, the address
//	quick reply, postback     button with its payload
//	reply                     quote; what the answered message said is not told
//	edit, unsend, reaction    themselves; the message of a reaction is its target
//	echo of ours              notice: by the metadata that went out, or by its mid
//	echo of another's         service: "Answered elsewhere: ..."
//	delivery, read            notices
//	referral, opt-in          ReturnChatID when it is a UUID, else service
//	hand-over of the thread   service
//	anything else             unsupported
//
// What comes in standby - another app has the thread - is shown with "(another app
// answers)" in front. What concerns no customer (changes, roles, policy) is counted
// as ignored.
//
// # Names
//
// A conversation is "{PSID}|{page id}|facebook". Event IDs are made of the page, the
// kind and the network's key for it: the mid of a message and the number of the part;
// the mid and num_edit of an edit; and so on.
//
// A customer's file is named "{mid}:{number}". Its address expires, and whoever knows
// it can read the file: it is asked for each time the file is opened, and kept nowhere.
//
// # Out
//
// RESPONSE inside the 24 hours, MESSAGE_TAG HUMAN_AGENT behind them where the channel
// says human_agent. There is no idempotency key: every message carries "sl1:" and the
// part's Ref as its metadata, and the echo that brings it back settles a send whose
// answer was lost. Graph cannot be asked for it: a conversation's list does not show
// metadata, so there is no Reconciler: the echo is waited for.
package facebook
