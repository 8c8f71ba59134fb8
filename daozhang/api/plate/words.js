// What the payer reads, in both languages. What a payment is called comes from the house.
export const WORDS = {
  zh: {
    languages: "语言", loading: "正在打开…", test: "测试,不会真的扣款", pay: (shop) => `付给 ${shop}`, till: (name) => `收银台:${name}`, amount: "金额(元)",
    amountHow: "请与店员确认金额", wrong: "请输入金额,如 12.50(最多两位小数)", wallet: "用哪个钱包付", button: "付款", making: "正在下单…", unknown: "这个码牌无效或已停用,请问店员。",
    away: "没有连上。请不要重复付款,稍等再试一次。", busy: "用的人太多,请过几秒再试。", unsure: "还不知道下单没有。请不要另付,再按一次“付款”就能查到。", refused: "没有下单,没有扣款:", open: (wallet) => `打开${wallet}付款`, scan: (wallet) => `也可以用${wallet}扫这个码`,
    only: (wallet) => `请用${wallet}扫这个码`, picture: (wallet) => `${wallet}付款二维码`, waiting: "请在钱包里确认", number: "沙箱:把下面这串内容交给“付款人的手机”扫一扫", again: "再付一笔", noWallet: "这家店还没有开通钱包,请问店员。",
  },
  en: {
    languages: "Language", loading: "Opening…", test: "Test: nothing is charged", pay: (shop) => `Pay ${shop}`, till: (name) => `Till: ${name}`, amount: "Amount (yuan)",
    amountHow: "Agree on the amount with the shop", wrong: "Type an amount such as 12.50 (two decimals at most)", wallet: "Which wallet pays", button: "Pay", making: "Making the order…",
    unknown: "This code plate is not valid, or no longer in use: ask the shop.", away: "No connection. Do not pay twice: wait a moment and try once more.", busy: "Too many at once: try again in a few seconds.",
    unsure: "We do not know yet whether an order was made. Pay nowhere else: press Pay once more to find out.",
    refused: "No order was made and nothing was charged:", open: (wallet) => `Pay with ${wallet}`, scan: (wallet) => `Or scan this QR with ${wallet}`, only: (wallet) => `Scan this QR with ${wallet}`, picture: (wallet) => `QR to pay with ${wallet}`,
    waiting: "Confirm in your wallet", number: "Sandbox: let “the payer's phone” scan the text below", again: "Pay another time", noWallet: "This shop has no wallet yet: ask the shop.",
  },
};
