"""The currencies Stripe charges in, and how finely each is counted.

It knows no exchange rates; amounts in two currencies are never added.
"""

# https://docs.stripe.com/currencies: amounts are counted in hundredths unless said otherwise.
HUNDREDTHS = (
    "aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bmd bnd bob brl bsd bwp byn bzd "
    "cad cdf chf cny cop crc cve czk dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gtq gyd "
    "hkd hnl htg huf idr ils inr jmd kes kgs khr kyd kzt lak lbp lkr lrd lsl mad mdl mkd mmk "
    "mnt mop mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd pab pen pgk php pkr pln qar ron "
    "rsd rub sar sbd scr sek sgd shp sle sos srd std szl thb tjs top try ttd twd tzs uah usd "
    "uyu uzs wst xcd xcg yer zar zmw"
)
WHOLE = "bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf"
# Counted in hundredths, and charged in whole ones only.
WHOLE_IN_HUNDREDTHS = "isk ugx"
# Counted in thousandths, of which the last digit must be 0.
THOUSANDTHS = "bhd jod kwd omr tnd"

# How many decimals a currency is counted with, and how many of them may be charged.
DECIMALS: dict[str, tuple[int, int]] = {
    **dict.fromkeys(HUNDREDTHS.split(), (2, 2)),
    **dict.fromkeys(WHOLE.split(), (0, 0)),
    **dict.fromkeys(WHOLE_IN_HUNDREDTHS.split(), (2, 0)),
    **dict.fromkeys(THOUSANDTHS.split(), (3, 2)),
}
